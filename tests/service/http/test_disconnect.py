"""Clients that go away: a real service, raw sockets. Slow ones are in test_connections.py."""

import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import http
from tests.support.homes import copy_home
from tests.support.lesion_images import lesion
from tests.support.service_log import log_lines
from tests.support.service_process import service_process
from tests.support.waiting import LIMIT_S, wait_for

IMAGE = lesion(width=2000, height=1500)
GONE = 12


@contextmanager
def sending(address: str, *, path: str = "/predict", share: float = 1.0) -> Iterator[socket.socket]:
    """A connection on which a share of an upload has been sent."""
    host, port = address.removeprefix("http://").split(":")
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(IMAGE)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=LIMIT_S) as connection:
        connection.sendall(head.encode() + IMAGE[: int(len(IMAGE) * share)])
        yield connection


@dataclass(frozen=True, slots=True)
class Held:
    """A service whose model begins nothing before `gate` exists."""

    address: str
    process: "subprocess.Popen[bytes]"
    gate: Path
    log: Path

    def statuses(self, path: str) -> list[int]:
        """Of the requests that have ended, from the log."""
        lines = log_lines(self.log)
        return [line["status"] for line in lines if line["message"] == "request" and line["path"] == path]

    def metric(self, name: str) -> float:
        lines = http.get(f"{self.address}/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).rpartition(" ")[2])

    def post(self, path: str) -> int:
        return http.post(f"{self.address}{path}", content=IMAGE).status_code


@contextmanager
def held_service(starter_home: Path, folder: Path) -> Iterator[Held]:
    home, gate = copy_home(starter_home, folder / "home"), folder / "gate"
    with service_process(home, program=("-m", "tests.support.held_service", str(gate))) as (address, process):
        try:
            yield Held(address, process, gate, home / "service.log")
        finally:
            gate.touch()  # what still waits would keep it from ending


@pytest.fixture(scope="module")
def held(starter_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    with held_service(starter_home, tmp_path_factory.mktemp("held")) as found:
        yield found


@pytest.mark.parametrize("path", ["/predict", "/explain", "/result"])
def test_the_work_of_a_client_that_went_away_is_not_started(held: Held, path: str) -> None:
    """Clients send everything and hang up while the model is busy; then the model only runs for those that stayed."""
    held.gate.unlink(missing_ok=True)
    before = held.metric("lunar_inference_seconds_count")
    with ThreadPoolExecutor() as pool:
        try:
            first = pool.submit(held.post, f"{path}?tta=8")
            wait_for(lambda: held.metric("lunar_places_taken") == 1, "the first client's place")
            for _ in range(GONE):
                with sending(held.address, path=f"{path}?tta=8"):
                    pass
            wait_for(lambda: held.statuses(path).count(499) == GONE, "the others have been noticed to be gone")
            assert held.metric("lunar_places_taken") == 1
            last = pool.submit(held.post, f"{path}?tta=8")
            wait_for(lambda: held.metric("lunar_places_taken") == 2, "the last client's place")
        finally:
            held.gate.touch()
    assert (first.result(), last.result()) == (200, 200)
    assert held.metric("lunar_inference_seconds_count") - before == 2


def test_what_was_accepted_is_finished_when_the_service_stops(starter_home: Path, tmp_path: Path) -> None:
    with held_service(starter_home, tmp_path) as held, sending(held.address, path="/explain?target=all&tta=8") as one:
        wait_for(lambda: held.metric("lunar_places_taken") == 1, "the request has its place")
        held.process.terminate()
        wait_for(lambda: not accepts(held.address), "the service takes no more connections")
        held.gate.touch()
        answer = b""
        while chunk := one.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200")
    assert held.process.returncode in (0, -15)


def accepts(address: str) -> bool:
    host, port = address.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=LIMIT_S).close()
    except ConnectionRefusedError:
        return False
    return True
