"""Servers in processes of their own: from the start to the first answer, and to the end."""

import os
import random
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx2

from tests.support.waiting import LIMIT_S, wait_for

Process = subprocess.Popen[bytes]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on.

    Not one of those that the kernel gives to whoever asks for any port (32768 and above on Linux): between this call
    and the server's, another process's connection could get it. Nor does it depend on the seed of `random`, which
    trainings set: another worker, or another run of the tests, with the same seed would get the same ports at the same
    time. Whoever can choose for itself is better told port 0.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 30_000)
        with socket.socket() as found:
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until_up(url: str, process: Process, log: Path) -> None:
    """Until the process answers with 200. Raises RuntimeError with its log if it ends before."""

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the process for {url} ended with {process.returncode}:\n{log.read_text()}")
        try:
            return httpx2.get(url, timeout=LIMIT_S).status_code == 200
        except httpx2.TransportError:
            return False

    wait_for(answers, lambda: f"an answer of {url}\n{log.read_text()}")


def stop(process: Process, *, group: bool = False) -> int:
    """SIGTERM, to its process group if asked for, and wait; the exit status. What does not end is killed and raises."""

    def send(number: int) -> None:
        if not group:
            process.send_signal(number)  # which does nothing if it has ended
            return
        with suppress(ProcessLookupError):  # nobody of the group is left
            os.killpg(process.pid, number)

    send(signal.SIGTERM)
    try:
        return process.wait(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        send(signal.SIGKILL)
        process.wait()
        raise
