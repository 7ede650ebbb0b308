"""Verifies a registered version in a child process with limits, before the service loads it itself."""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from inference.bundle.storage import Bundle
from service.serving.candidate_process import VERDICTS
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("-m", "service.serving.candidate_process")
POLL_S = 0.05
_TAIL = 500  # characters of what the process wrote to stderr


class CandidateFailed(RuntimeError):
    """The verification took too long or too much memory, or its process crashed. The service is unharmed."""


class CandidateSuperseded(RuntimeError):
    """The verification was ended without a verdict, because the alias may name another version now."""


class CandidateCheck:
    """One verification at a time. A graph that hangs, grows or crashes does so in the child process."""

    def __init__(self, settings: Settings, program: Sequence[str] = PROGRAM) -> None:
        self._seconds, self._megabytes = settings.candidate_timeout_s, settings.candidate_memory_mb
        options = ("--runtime", settings.runtime, "--precision", settings.precision, "--seconds", str(self._seconds))
        self._program = (*program, *options)
        self._stopped = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def verify(self, bundle: Bundle, superseded: Callable[[], bool] = lambda: False) -> None:
        """Verify a bundle while `superseded`, which is called all the time, is false.

        What the child has compiled is kept in `bundle.compiled`, where the service finds it. Raises CandidateFailed,
        CandidateSuperseded, and as Classifier.open: InvalidBundle, RuntimeUnavailable,
        GoldenMismatch.
        """
        with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as complaints:
            keep = ("--compiled", str(bundle.compiled)) if bundle.compiled else ()
            command = [sys.executable, *self._program, *keep, str(bundle.path.resolve())]
            with subprocess.Popen(command, cwd=ROOT, stdout=answer, stderr=complaints) as process:
                self._process = process
                try:
                    self._watch(process, superseded)
                finally:
                    process.kill()
            status = process.returncode
            if status:
                raise CandidateFailed(f"Its verification ended with status {status}: {_tail(complaints)}")
            answer.seek(0)
            verdict = json.loads(answer.read().splitlines()[-1])
        if verdict["error"]:
            raise VERDICTS[verdict["error"]](verdict["message"])

    def stop(self) -> None:
        """End a verification that runs, whatever its thread waits for."""
        self._stopped.set()
        if self._process:
            self._process.kill()

    def _watch(self, process: "subprocess.Popen[bytes]", superseded: Callable[[], bool]) -> None:
        """Wait until it has ended. Raises CandidateFailed beyond a limit."""
        beyond: list[str] = []
        guard = threading.Thread(target=self._guard, args=(process, beyond), name="candidate guard", daemon=True)
        guard.start()
        while _runs(process):
            if superseded():  # may wait for the registry
                raise CandidateSuperseded
        guard.join()
        if self._stopped.is_set():
            raise CandidateFailed("The service is being stopped.")
        if beyond:
            raise CandidateFailed(beyond[0])

    def _guard(self, process: "subprocess.Popen[bytes]", beyond: list[str]) -> None:
        """End it beyond a limit, which `beyond` gets."""
        end = time.monotonic() + self._seconds
        while _runs(process):
            if time.monotonic() > end:
                beyond.append(f"Its verification took more than {self._seconds:g} s.")
            elif _resident_megabytes(process.pid) > self._megabytes:
                beyond.append(f"Its verification took more than {self._megabytes:,} MB of memory.")
            if beyond or self._stopped.is_set():
                process.kill()
                return


def _runs(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it still runs after a moment."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(POLL_S)
    return process.returncode is None


def _resident_megabytes(pid: int) -> float:
    """Memory and swap of a process; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("VmRSS:", "VmSwap:"))) / 1024


def _tail(file: IO[bytes]) -> str:
    file.seek(0)
    return " ".join(file.read().decode(errors="replace")[-_TAIL:].split())
