"""Slow clients, and clients that go away: a real service, raw sockets."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.running import service_process
from tests.service.conftest import lesion

IMAGE = lesion(width=2000, height=1500)


@contextmanager
def sending(address: str, *, path: str = "/predict", share: float = 1.0) -> Iterator[socket.socket]:
    """A connection on which a share of an upload has been sent."""
    host, port = address.removeprefix("http://").split(":")
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(IMAGE)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + IMAGE[: int(len(IMAGE) * share)])
        yield connection


def requests(home: Path) -> list[dict]:
    lines = [json.loads(line) for line in (home / "service.log").read_text().splitlines() if line[0] == "{"]
    return [line for line in lines if line["message"] == "request" and line["path"] != "/health/ready"]


def test_a_body_that_does_not_end_is_told_so_in_time_and_its_place_comes_free(starter_home: Path) -> None:
    with service_process(starter_home, request_timeout_s="1", max_waiting="0") as (address, _):
        with sending(address, share=0.5) as connection:
            began = time.monotonic()
            answer = connection.recv(4096).decode()
            assert 0.9 < time.monotonic() - began < 3
            while "deadline-exceeded" not in answer and (more := connection.recv(4096)):
                answer += more.decode()
            assert answer.startswith("HTTP/1.1 503")
            assert "deadline-exceeded" in answer
        assert httpx2.post(f"{address}/predict", content=lesion()).status_code == 200


@pytest.mark.parametrize("path", ["/predict", "/explain", "/result"])
def test_the_work_of_a_client_that_went_away_is_not_started(starter_home: Path, path: str) -> None:
    """Twelve clients send everything and hang up. Had their work been done, the thirteenth would wait for all of it."""
    with service_process(starter_home) as (address, _):
        began = time.monotonic()
        assert httpx2.post(f"{address}{path}?tta=8", content=IMAGE, timeout=60).status_code == 200
        one = time.monotonic() - began
        for _ in range(12):
            with sending(address, path=f"{path}?tta=8"):
                pass
        began = time.monotonic()
        assert httpx2.post(f"{address}{path}?tta=8", content=IMAGE, timeout=60).status_code == 200
        waited = time.monotonic() - began
    gone = [line for line in requests(starter_home) if line["status"] == 499]
    assert len(gone) >= 10
    assert waited < 6 * one, f"one takes {one:.2f} s, the one after the gone took {waited:.2f} s"


def test_what_was_accepted_is_finished_when_the_service_stops(starter_home: Path) -> None:
    with service_process(starter_home) as (address, process), sending(address, path="/explain?target=all&tta=8") as one:
        time.sleep(0.05)
        process.terminate()
        answer = b""
        while chunk := one.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200")
    assert process.wait(timeout=10) in (0, -15)
