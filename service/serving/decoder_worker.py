"""One decoder as the service sees it: a process, the pipe to it, and why it ended."""

import math
import multiprocessing
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker, util
from multiprocessing.context import ForkServerProcess
from threading import Lock

from inference.imaging.prepared_picture import Preparation, PreparedPicture, prepare_picture
from service.observability.metrics import DecoderEnd
from service.serving import decoder_process
from service.serving.decoder_process import Fault, Limits, OutOfMemory, Prepare

# A fork server imports what decoding needs and nothing else: its children carry neither the model nor OpenVINO.
_CONTEXT = multiprocessing.get_context("forkserver")
# multiprocessing of Python 3.11 may lose an exit code if two threads start or join processes at once.
_LOCK = Lock()
_JOIN_S = 10.0
# Of one process; its limit of memory is set once, and a library may leak.
MAX_IMAGES = 1000


@contextmanager
def _without_signals() -> Iterator[None]:
    """Processes that are started meanwhile do not get the signals that a process group gets as a whole.

    The fork server inherits the mask of the thread that starts it, and decoders that of the fork server. A resource
    tracker that has to be started first would clear the mask (Python 3.11).
    """
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, decoder_process.OF_GROUPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(process: ForkServerProcess) -> None:
    """Kill it if it runs; the number of one that has ended may belong to another process."""
    if process.is_alive():
        process.kill()


class DecoderEnded(RuntimeError):
    """The process has ended, or was killed at its deadline; `cause` tells why."""

    def __init__(self, cause: DecoderEnd) -> None:
        super().__init__(cause)
        self.cause = cause


class DecoderWorker:
    """A process that decodes one image at a time. Only one thread at a time may use it.

    Somebody else has to call `end_if_overdue` again and again; nothing else holds it to its deadline.
    """

    def __init__(self, limits: Limits, prepare: Prepare = prepare_picture) -> None:
        self._limits = limits
        self._images, self._out_of_memory = 0, False
        self._due, self._late, self._watched = math.inf, False, Lock()
        with _LOCK:
            _CONTEXT.set_forkserver_preload([decoder_process.__name__])
            self._pipe, theirs = _CONTEXT.Pipe()
            arguments = (theirs, limits, prepare)
            self._process = _CONTEXT.Process(target=decoder_process.serve, args=arguments, name="decoder", daemon=True)
            with _without_signals():
                self._process.start()
            # When Python ends, before multiprocessing sends SIGTERM to its daemons and waits for them.
            self._at_exit = util.Finalize(None, _end, args=(self._process,), exitpriority=1)
        theirs.close()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        with _LOCK:
            return self._process.is_alive()

    @property
    def worn(self) -> bool:
        """Whether another process should decode the next image: memory was lacking, or it has decoded many."""
        return self._out_of_memory or self._images >= MAX_IMAGES

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid or 0

    def prepare(self, data: bytes, preparation: Preparation) -> PreparedPicture:
        """Decode, fit and reduce. Raises ImageError, DecoderEnded; after the latter the process is gone."""
        try:
            with self._deadline():
                self._pipe.send((data, preparation))
                reply = self._pipe.recv()
        except (EOFError, OSError) as error:  # the process has closed its end, perhaps in the middle of its reply
            code = self._exit_code()
            self.kill()
            if self._late:
                raise DecoderEnded("deadline") from error
            raise DecoderEnded("cpu" if code == -signal.SIGXCPU else "crash") from error
        if self._late:  # the reply came at the last moment
            self.kill()
        self._images += 1
        if isinstance(reply, OutOfMemory):
            self._out_of_memory = True
            raise reply.error
        if isinstance(reply, PreparedPicture):
            return reply
        if isinstance(reply, Fault):
            raise RuntimeError(f"A decoder failed:\n{reply.traceback}")
        raise reply

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """From now on neither sending nor receiving may take longer than the limit."""
        self._due = time.monotonic() + self._limits.seconds
        try:
            yield
        finally:
            with self._watched:
                self._due = math.inf

    def end_if_overdue(self) -> None:
        """End the process if it is late; the thread that uses it gets DecoderEnded."""
        with self._watched:  # so that the next image is not the one that is late
            if time.monotonic() > self._due:
                self._late = True
                self.terminate()

    def terminate(self) -> None:
        """End the process and do not wait for it; the thread that uses it gets DecoderEnded."""
        with _LOCK:
            _end(self._process)

    def kill(self) -> None:
        """End the process."""
        self.terminate()
        self._exit_code()
        self._at_exit.cancel()  # its number may soon belong to another process
        self._pipe.close()

    def _exit_code(self) -> int | None:
        with _LOCK:
            self._process.join(_JOIN_S)
            return self._process.exitcode
