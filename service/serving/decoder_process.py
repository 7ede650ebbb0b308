"""What runs inside a decoder, a process of its own. It imports nothing of the model or of HTTP."""

import fcntl
import logging
import math
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

import cv2

from inference.imaging.errors import ImageError, UnreadableImage
from inference.imaging.prepared_picture import Preparation, PreparedPicture

OF_GROUPS = frozenset({signal.SIGINT, signal.SIGTERM})  # Ctrl+C, and `kill -- -PID`, reach every process of a group


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one decoder: bytes beyond what it has when it starts; seconds for one image, on the processor and in all."""

    memory_bytes: int
    cpu_seconds: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Fault:
    """An error of the code, not of the image: its traceback."""

    traceback: str


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """Memory was lacking: for this image, or because earlier ones left too little. What the client gets."""

    error: ImageError


Prepare = Callable[[bytes, Preparation], PreparedPicture]
Reply = PreparedPicture | ImageError | OutOfMemory | Fault


def serve(pipe: "Connection[Reply, tuple[bytes, Preparation]]", limits: Limits, prepare: Prepare) -> None:
    """Answer requests with `prepare` until the other end closes, which also happens when the service dies."""
    _follow_the_service()
    # Pillow logs and warns about damaged files, and stderr is for the service's log alone.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    _limit_memory(limits.memory_bytes)
    while True:
        try:
            data, preparation = pipe.recv()
        except EOFError:
            return
        _limit_time(limits.cpu_seconds)
        reply = _answer(prepare, data, preparation)
        del data
        try:
            pipe.send(reply)
        except BrokenPipeError:
            return


def _follow_the_service() -> None:
    """End with the service, not with a signal for its whole process group: requests are answered after it."""
    for number in OF_GROUPS:
        signal.signal(number, signal.SIG_IGN)
    # However the service ends, its end of a pipe closes; then the kernel ends a decoder that is busy or hangs (SIGIO).
    service = parent_process()
    assert service  # for the type checker: this is a child  # nosec B101
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(service.sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(service.sentinel, fcntl.F_SETFL, fcntl.fcntl(service.sentinel, fcntl.F_GETFL) | os.O_ASYNC)
    if wait([service.sentinel], timeout=0):
        sys.exit()  # it has ended before


def _answer(prepare: Prepare, data: bytes, preparation: Preparation) -> Reply:
    try:
        return prepare(data, preparation)
    except ImageError as error:
        return OutOfMemory(error) if isinstance(error.__cause__, MemoryError) else error
    except (MemoryError, cv2.error):  # OpenCV raises an error of its own if it gets no memory
        return OutOfMemory(UnreadableImage("Decoding the image takes more memory than is allowed.", cause="decoding"))
    except Exception:
        return Fault(traceback.format_exc())


def _limit_time(seconds: int) -> None:
    """From now on; beyond it the kernel ends the process with SIGXCPU, whatever it does."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, most))


def _limit_memory(most: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + most
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
