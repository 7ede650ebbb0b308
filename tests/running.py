"""The real service as a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

ROOT = Path(__file__).resolve().parent.parent
STARTER = ROOT / "models" / "starter"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running_service(home: Path, *, ready: bool = True, wait_s: float = 60, **settings: str) -> Iterator[str]:
    """`python -m service` on a free port with LUNAR_HOME=home, from ready (or live) to stopped; yields its address."""
    with service_process(home, ready=ready, wait_s=wait_s, **settings) as (address, _):
        yield address


@contextmanager
def service_process(
    home: Path, *, ready: bool = True, wait_s: float = 60, **settings: str
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The same; yields its address and the process."""
    port = settings.setdefault("port", str(free_port()))
    environment = os.environ | {"LUNAR_HOME": str(home)}
    environment |= {f"LUNAR_{name.upper()}": value for name, value in settings.items()}
    log = home / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(f"{address}/health/{'ready' if ready else 'live'}", process, log, wait_s)
            yield address, process
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx2.get(url).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
            continue
        time.sleep(0.05)
    raise RuntimeError(f"the service did not come up:\n{log.read_text()}")
