"""Bounds of uploads while they arrive, with a clock and a client that the test controls."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect

from service.errors import BodyTooLarge, Overloaded, SlowUpload
from service.http import upload_bounds
from service.http.upload_bounds import Upload, Uploads
from service.settings import Settings

LIMITS = {"max_body_bytes": 1000, "max_upload_bytes": 4000, "max_uploads": 3, "min_upload_rate": 100}


class Client:
    """Sends chunks; between two of them the clock goes on by `pause_s`. Behind the last one it stays silent."""

    def __init__(self, clock: SimpleNamespace, *chunks: bytes, pause_s: float = 0.0, ends: bool = True) -> None:
        self._clock, self._chunks, self._pause_s, self._ends = clock, list(chunks), pause_s, ends

    async def __call__(self) -> dict[str, Any]:
        if not self._chunks:
            await asyncio.Event().wait()
        self._clock.now += self._pause_s
        sent = asyncio.Event()
        asyncio.get_running_loop().call_soon(sent.set)
        await sent.wait()  # a client that is waited for: a deadline that has passed is noticed only then
        body = self._chunks.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self._chunks) or not self._ends}

    def request(self) -> Request:
        return Request({"type": "http", "headers": []}, self)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(upload_bounds, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def bounds() -> Uploads:
    return Uploads(Settings(**LIMITS))


async def read(upload: Upload, client: Client) -> bytes:
    return b"".join([chunk async for chunk in upload.chunks(client.request())])


def test_an_upload_at_the_least_rate_is_read(bounds: Uploads, clock: SimpleNamespace) -> None:
    """Nine seconds for 900 bytes, beside the grace at the beginning."""
    with bounds.open("a") as upload:
        body = asyncio.run(read(upload, Client(clock, *[b"x" * 100] * 9, pause_s=1.0)))
    assert len(body) == 900
    assert clock.now == 9


def test_a_slower_upload_is_refused_with_its_numbers(bounds: Uploads, clock: SimpleNamespace) -> None:
    client = Client(clock, *[b"x" * 10] * 90, pause_s=1.0)
    with bounds.open("a") as upload, pytest.raises(SlowUpload, match=r" bytes arrived in 7 s.* 100 bytes"):
        asyncio.run(read(upload, client))


def test_an_upload_that_stalls_is_refused_although_it_was_fast(
    bounds: Uploads, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits in real time, for as long as the constant says."""
    monkeypatch.setattr(upload_bounds, "STALL_S", 0.05)
    with bounds.open("a") as upload, pytest.raises(SlowUpload):
        asyncio.run(read(upload, Client(clock, b"x" * 900, ends=False)))


def test_a_client_has_a_number_of_uploads_at_once_and_others_have_theirs(
    bounds: Uploads, clock: SimpleNamespace
) -> None:
    opened = [bounds.open("a") for _ in range(3)]
    entered = [each.__enter__() for each in opened]
    with pytest.raises(Overloaded, match="3 uploads of this client"), bounds.open("a"):
        pass
    with bounds.open("b"):
        pass
    asyncio.run(read(entered[0], Client(clock, b"x")))  # complete: it arrives no more, although it is not answered
    with bounds.open("a"):
        pass
    for each in opened:
        each.__exit__(None, None, None)


def test_bytes_count_until_the_answer_and_a_client_has_half_of_them(bounds: Uploads, clock: SimpleNamespace) -> None:
    with bounds.open("a") as first, bounds.open("a") as second, bounds.open("a") as third:
        for each in (first, second):
            asyncio.run(read(each, Client(clock, b"x" * 1000)))
        with pytest.raises(Overloaded, match="memory"):
            asyncio.run(read(third, Client(clock, b"x")))
        with bounds.open("b") as other:
            asyncio.run(read(other, Client(clock, b"x" * 1000)))
    with bounds.open("a") as again:
        assert len(asyncio.run(read(again, Client(clock, b"x" * 1000)))) == 1000
    assert not bounds._bytes
    assert not bounds._arriving


def test_all_clients_together_have_a_limit(bounds: Uploads, clock: SimpleNamespace) -> None:
    opened = [bounds.open(name) for name in "abcde"]
    entered = [each.__enter__() for each in opened]
    for each in entered[:4]:
        asyncio.run(read(each, Client(clock, b"x" * 1000)))
    with pytest.raises(Overloaded, match="memory"):
        asyncio.run(read(entered[4], Client(clock, b"x")))
    for each in opened:
        each.__exit__(None, None, None)


def test_a_body_that_is_too_large_or_breaks_off_is_told(bounds: Uploads, clock: SimpleNamespace) -> None:
    with bounds.open("a") as upload, pytest.raises(BodyTooLarge, match="1,000"):
        asyncio.run(read(upload, Client(clock, b"x" * 1001)))

    async def leave() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with bounds.open("a") as upload, pytest.raises(ClientDisconnect):
        asyncio.run(upload.chunks(Request({"type": "http", "headers": []}, leave)).__anext__())
