"""Connections that are slow, many, large or silent: raw sockets at real services, and the rules on a fake transport."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.http import connections
from service.http.connections import HEAD_BYTES, Connection, ConnectionLimit, sweep
from tests.support import http
from tests.support.homes import copy_home
from tests.support.lesion_images import lesion
from tests.support.paths import ROOT
from tests.support.service_log import log_lines
from tests.support.service_process import service_process
from tests.support.waiting import LIMIT_S, wait_for

IMPATIENT = ("-m", "tests.support.impatient_service")
GOOD = lesion()
MOST = 20


@pytest.fixture(scope="module")
def impatient(starter_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A service with MOST connections, and its log."""
    home = copy_home(starter_home, tmp_path_factory.mktemp("impatient") / "home")
    with service_process(home, program=IMPATIENT, max_connections=str(MOST)) as (address, _):
        yield address, home / "service.log"


def connect(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=LIMIT_S)


def received(connection: socket.socket) -> bytes:
    """Everything until the other side closes or breaks the connection."""
    found = b""
    try:
        while chunk := connection.recv(65536):
            found += chunk
    except ConnectionError:
        return found
    return found


def head(length: int, *more: str) -> bytes:
    lines = [
        "POST /predict HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: image/jpeg",
        f"Content-Length: {length}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "x"])
def test_an_offer_to_upgrade_leaves_the_body_alone(starter_service: str, upgrade: str) -> None:
    """Java's HttpClient and `curl --http2` send one with every request."""
    offer = ("Connection: Upgrade, HTTP2-Settings", f"Upgrade: {upgrade}", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    with connect(starter_service) as connection:
        connection.sendall(head(len(GOOD), *offer) + GOOD)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("what", ["header", "path"])
def test_a_head_has_a_largest_size(starter_service: str, what: str) -> None:
    filler = b"x" * (2 * HEAD_BYTES)
    start = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: " if what == "header" else b"GET /"
    with connect(starter_service) as connection:
        connection.sendall(start + filler)
        assert received(connection).startswith(b"HTTP/1.1 4")
    assert http.get(f"{starter_service}/health/live").status_code == 200


@pytest.mark.parametrize("sent", [b"", b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "])
def test_a_head_that_does_not_end_is_not_waited_for(impatient: tuple[str, Path], sent: bytes) -> None:
    with connect(impatient[0]) as connection:
        connection.sendall(sent)
        assert received(connection) == b""


def test_half_open_connections_cut_nobody_off_and_are_logged(impatient: tuple[str, Path]) -> None:
    address, log = impatient
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(address)) for _ in range(3 * MOST)]
        for each in opened[: 2 * MOST]:  # some may have been closed already
            try:
                each.sendall(b"GET / HTTP/1.1\r\n")
            except ConnectionError:
                continue
        assert http.get(f"{address}/health/live").status_code == 200
    wait_for(lambda: "too many open connections" in log.read_text(), log.read_text)


def test_an_upload_that_stalls_gets_408_and_keeps_nobody_waiting(impatient: tuple[str, Path]) -> None:
    address, _ = impatient
    with ExitStack() as stack:
        stalled = [stack.enter_context(connect(address)) for _ in range(MOST // 2)]
        for each in stalled:
            each.sendall(head(len(GOOD)) + GOOD[:100])
        assert http.post(f"{address}/predict", content=GOOD).status_code == 200
        for each in stalled:
            answer = received(each)
            assert answer.startswith(b"HTTP/1.1 408 ")
            problem = json.loads(answer.partition(b"\r\n\r\n")[2])
            assert problem["type"] == "urn:lunar:problem:slow-upload"
            assert "100 bytes arrived" in problem["detail"]
    assert http.post(f"{address}/predict", content=GOOD).status_code == 200


def test_a_body_that_goes_on_after_its_answer_is_not_waited_for(impatient: tuple[str, Path]) -> None:
    """No packet of it is read by anybody, and each one would put off the end of the connection."""
    address, _ = impatient
    with connect(address) as connection:
        connection.sendall(head(100_000_000) + GOOD[:100])  # more than any upload may have: 413 at once
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
        wait_for(lambda: is_broken(connection), "the connection is closed")
    assert http.get(f"{address}/health/live").status_code == 200


def is_broken(connection: socket.socket) -> bool:
    """Whether the other side has broken the connection; sends one more byte."""
    try:
        connection.sendall(b"x")
    except ConnectionError:
        return True
    return False


def chunked(chunk: int) -> bytes:
    """A request of GOOD in chunks of so many bytes."""
    parts = (GOOD[start : start + chunk] for start in range(0, len(GOOD), chunk))
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    return head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + body


def test_small_chunks_are_read_and_tiny_ones_are_not(starter_service: str) -> None:
    """Each chunk costs the event loop time, however small it is."""
    with connect(starter_service) as connection:
        connection.sendall(chunked(76) + chunked(100))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    with connect(starter_service) as connection, suppress(ConnectionError):
        connection.sendall(chunked(1))
        assert received(connection) == b""
    assert http.get(f"{starter_service}/health/live").status_code == 200


def test_sigterm_ends_it_whatever_clients_do(starter_home: Path, tmp_path: Path) -> None:
    """Half-open connections, uploads that stall, and clients that do not read their answers."""
    home = copy_home(starter_home, tmp_path / "home")
    body = lesion("PNG", width=1024, height=1024)
    with service_process(home, program=IMPATIENT) as (address, process), ExitStack() as stack:
        for sent in (b"", b"GET / HT", head(len(GOOD)) + GOOD[:10], head(len(GOOD)) + GOOD):
            stack.enter_context(connect(address)).sendall(sent)
        reader = stack.enter_context(connect(address))
        reader.sendall(head(len(body)).replace(b"/predict", b"/explain?target=all&method=all") + body)
        wait_for(lambda: said(home, "/explain"), "the large answer has been made")
        process.terminate()
        assert process.wait(timeout=LIMIT_S) in (0, -15)
    assert '"level": "error"' not in (home / "service.log").read_text()


def said(home: Path, path: str) -> bool:
    """Whether the log has a request of this path."""
    return any(line.get("path") == path for line in log_lines(home / "service.log"))


class Transport(SimpleNamespace):
    """As much of a transport as the rules ask about; `unread` are the bytes that wait for the client."""

    unread = 0
    aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def opened(unread: int = 0) -> Any:
    """A connection that awaits no head."""
    one = object.__new__(Connection)
    one.transport, one.cycle = Transport(unread=unread), None  # type: ignore[assignment]
    one._head_since, one._unread = None, None
    return one


def test_a_client_has_to_read_at_the_least_rate(clock: SimpleNamespace) -> None:
    steady, stopped = opened(10_000_000), opened(10_000_000)
    for _ in range(60):
        sweep([steady, stopped])
        clock.now += 1.0
        steady.transport.unread -= 20_000
    assert not steady.transport.aborted
    assert stopped.transport.aborted


def test_an_answer_that_was_read_starts_the_time_anew(clock: SimpleNamespace) -> None:
    """A file is sent in pieces: the same number of bytes waits again, but others."""
    one = opened(65_536)
    one.flow = SimpleNamespace(resume_writing=lambda: None)
    for _ in range(60):
        sweep([one])
        clock.now += 1.0
        one.resume_writing()
    assert not one.transport.aborted


def test_the_largest_answers_go_when_too_much_waits(clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_UNREAD_BYTES", 100)
    sizes = [opened(size) for size in (30, 60, 50, 0)]
    sweep(sizes)
    assert [each.transport.aborted for each in sizes] == [False, True, False, False]


def test_whoever_waits_longest_makes_room() -> None:
    """Connections whose request is being answered are left alone; one that waits again is the last to go."""
    limit = ConnectionLimit(3)
    old, busy, new = opened(), opened(), opened()
    for each in (busy, old, new):
        limit.note(each, waiting=True)
    limit.note(busy, waiting=False)
    assert limit.make_room()
    assert [each.transport.aborted for each in (old, busy, new)] == [True, False, False]
    limit.note(busy, waiting=True)
    assert limit.make_room()
    assert [each.transport.aborted for each in (old, busy, new)] == [True, False, True]
    limit.note(busy, waiting=False)
    assert not limit.make_room()


def test_few_file_handles_mean_few_connections() -> None:
    program = "from service.http.connections import ConnectionLimit; print(ConnectionLimit(1000).most)"
    command = ["bash", "-c", f"ulimit -n 128; exec {sys.executable} -c '{program}'"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert done.stdout.strip() == "64"
