"""A real Redis server as a process of its own. It may be stopped, frozen and started again."""

import shutil
import signal
import subprocess

import pytest
import redis

from tests.support.processes import free_port
from tests.support.waiting import wait_for

PASSWORD = "s3cret"


class RedisServer:
    """`redis-server` with a password and without a file. The test is skipped where the program is missing."""

    def __init__(self) -> None:
        self._port = free_port()
        self.address = f"redis://:{PASSWORD}@127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("no redis-server on the path (Debian: apt install redis-server)")
        command = [program, "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(self._answers, "Redis answers")

    def stop(self) -> None:
        if self._process:
            self._process.kill()  # also ends one that is frozen
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop the process: connections stay open, the kernel accepts new ones, and none gets an answer."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stored(self) -> list[str]:
        """The names of everything that is stored."""
        with redis.Redis.from_url(self.address) as client:
            return [key.decode() for key in client.scan_iter()]

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.address) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def _signal(self, number: int) -> None:
        assert self._process
        self._process.send_signal(number)
