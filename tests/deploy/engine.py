"""A Docker engine: the one that answers here, or else one of our own, in a network namespace of its own."""

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import stop
from tests.support.waiting import LIMIT_S, wait_for

BUILDING = 10  # times the limit: an image downloads and compiles everything that the project uses
_NEWNET = 0x40000000  # os.unshare and os.CLONE_NEWNET come with Python 3.12
_NEEDED = ("dockerd", "debootstrap", "iptables", "ip")
_WITHOUT_NETWORK = [
    *("--bridge=none", "--iptables=false", "--ip6tables=false"),
    *("--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"),
]


class NoEngine(RuntimeError):
    """No engine can run here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine and its clients. `own`: ours, which can pull nothing and builds on the host's network."""

    docker: str
    compose: tuple[str, ...]
    own: "OwnEngine | None"

    def run(self, *arguments: str, check: bool = True) -> str:
        """`docker ARGUMENTS`; what it printed. Its errors are part of the exception."""
        return run([self.docker, *arguments], check=check)

    def build(
        self, dockerfile: str, tag: str, *, context: Path, target: str | None = None, lock: str | None = None
    ) -> float:
        """Build the text of a Dockerfile; how long it took, in seconds. `lock` is the argument LOCK."""
        command = [self.docker, "build", "--quiet", "--tag", tag, "--file", "-", str(context)]
        command += ["--target", target] if target else []
        command += ["--build-arg", f"LOCK={lock}"] if lock else []
        command += ["--network", "host"] if self.own else []
        begun = time.monotonic()
        run(command, text=dockerfile, limit_s=BUILDING * LIMIT_S)
        return time.monotonic() - begun

    def isolate(self) -> None:
        """From now on containers have networks; of our own engine's, only this process and its children are part."""
        if self.own:
            self.own.stop()
            _leave_network()
            self.own.start(networks=True)


class OwnEngine:
    """dockerd with its data in a folder, which makes a second start quick.

    It builds on the host's network without touching it, and then runs the containers in a namespace, where it may set
    up bridges and rules as it likes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, networks: bool) -> None:
        """Raises NoEngine with the end of its log."""
        self._folder.mkdir(parents=True, exist_ok=True)
        options = ["--bridge=none"] if networks else _WITHOUT_NETWORK
        folders = [f"--data-root={self._folder / 'data'}", f"--exec-root={self._folder / 'run'}"]
        address = f"unix://{self._folder / 'socket'}"
        with (self._folder / "log").open("wb") as log:
            command = ["dockerd", *options, *folders, "--host", address, "--pidfile", str(self._folder / "pid")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        os.environ["DOCKER_HOST"] = address
        wait_for(lambda: _answers() or self._has_ended(), "dockerd answers")
        if self._has_ended():
            self.stop()
            tail = (self._folder / "log").read_text()[-2000:]
            raise NoEngine(f"dockerd does not come up here:\n{tail}")

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        if self._process:
            stop(self._process)
            self._process = None


@contextmanager
def running_engine(folder: Path) -> Iterator[Engine]:
    """Raises NoEngine."""
    compose = _compose()
    if _answers():
        yield Engine(_docker(), compose, None)
        return
    missing = [name for name in _NEEDED if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        raise NoEngine(f"No Docker engine answers; starting one takes root and {', '.join(missing or _NEEDED)}.")
    own = OwnEngine(folder)
    own.start(networks=False)
    try:
        yield Engine(_docker(), compose, own)
    finally:
        own.stop()


def _answers() -> bool:
    return subprocess.run(["docker", "version"], capture_output=True).returncode == 0


def run(command: list[str], *, text: str | None = None, check: bool = True, limit_s: float = LIMIT_S) -> str:
    """What a command printed; what it said on stderr becomes part of the exception."""
    environment = os.environ | {"DOCKER_BUILDKIT": "1"}
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, timeout=limit_s)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout.strip()


def _docker() -> str:
    """The first client on the path that can build with BuildKit."""
    for folder in os.get_exec_path():
        client = shutil.which("docker", path=folder)
        environment = os.environ | {"DOCKER_BUILDKIT": "1"}
        if client and not subprocess.run([client, "build", "--help"], capture_output=True, env=environment).returncode:
            return client
    raise NoEngine("No docker client with BuildKit is on the path.")


def _compose() -> tuple[str, ...]:
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0]) and not subprocess.run([*command, "version"], capture_output=True).returncode:
            return command
    raise NoEngine("Neither `docker compose` nor `docker-compose` is here.")


def _leave_network() -> None:
    """Move this process into a network namespace of its own, with a loopback interface. It ends with the process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEWNET) != 0:
        raise NoEngine(f"No network namespace: {os.strerror(ctypes.get_errno())}.")
    run(["ip", "link", "set", "lo", "up"])
