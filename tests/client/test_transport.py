"""What lunar-client does about lost connections, missing files and a caller that stops, without a service."""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from lunar_client import AsyncLunarClient, LunarClient, Outcome, Retries, Unreachable, messages
from lunar_client.replies import PredictReply

from tests.support.waiting import LIMIT_S

NOW = Retries(attempts=2, first_wait_s=0)


def refusing(header: str) -> httpx.Response:
    return httpx.Response(503, headers={"Retry-After": header})


def test_retry_after_may_be_a_date() -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    for zone in ("GMT", "-0000"):  # a date with the second one is read as one without a zone
        header = later.strftime(f"%a, %d %b %Y %H:%M:%S {zone}")
        assert Retries().wait_s(refusing(header), done=0) is None, "longer than it waits"
        wait = Retries(longest_wait_s=4000).wait_s(refusing(header), done=0)
        assert wait
        assert 3000 < wait < 3600 * 1.25 + 1


def test_a_wait_is_never_shorter_and_differs() -> None:
    waits = [Retries().wait_s(refusing("10"), done=0) or 0 for _ in range(50)]
    assert min(waits) >= 10
    assert max(waits) <= 12.5
    assert len(set(waits)) > 1
    assert Retries().wait_s(refusing("Fri, 01 Jan 2021 00:00:00 GMT"), done=0) == 0
    assert 0.5 <= (Retries().wait_s(refusing("soon"), done=0) or 0) <= 0.625


def test_programs_with_the_same_seed_wait_differently_and_keep_their_random_numbers() -> None:
    waits = []
    for _program in range(2):
        random.seed(3)
        before = random.getstate()
        waits.append([Retries().wait_s(refusing("10"), done=0) for _ in range(3)])
        assert random.getstate() == before
    assert waits[0] != waits[1]


@pytest.mark.parametrize(("error", "requests"), [
    (httpx.RemoteProtocolError("dropped"), 3),
    (httpx.ReadError("reset"), 3),
    (httpx.ReadTimeout("slow"), 1),
    (httpx.DecodingError("no gzip"), 1),
    (httpx.TooManyRedirects("loop"), 1),
])  # fmt: skip
def test_a_lost_connection_is_tried_again_and_every_error_is_one_of_lunar(
    error: httpx.RequestError, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fail(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        raise error

    plain = messages.options
    monkeypatch.setattr(messages, "options", lambda *given: plain(*given) | {"transport": httpx.MockTransport(fail)})
    with LunarClient(retries=NOW) as lunar, pytest.raises(Unreachable):
        lunar.model()
    assert len(asked) == requests

    async def ask() -> None:
        async with AsyncLunarClient(retries=NOW) as other:
            await other.model()

    with pytest.raises(Unreachable):
        asyncio.run(ask())
    assert len(asked) == 2 * requests


def test_a_missing_file_is_its_own_outcome(tmp_path: Path) -> None:
    async def gather() -> list[Outcome]:
        async with AsyncLunarClient() as lunar:
            return [outcome async for outcome in lunar.predict_many([tmp_path / "a", tmp_path / "b"])]

    with LunarClient() as lunar:
        for outcomes in (list(lunar.predict_many([tmp_path / "a", tmp_path / "b"])), asyncio.run(gather())):
            assert [type(outcome.error) for outcome in outcomes] == [FileNotFoundError] * 2


def test_who_stops_early_waits_for_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = [], threading.Event()
    reply = PredictReply.model_construct()

    def predict(self: LunarClient, image: bytes, *, tta: int | None = None) -> PredictReply:
        asked.append(image)
        if image != b"0":
            go_on.wait(LIMIT_S)
        return reply

    monkeypatch.setattr(LunarClient, "predict", predict)
    with LunarClient() as lunar:
        outcomes = lunar.predict_many([b"%d" % number for number in range(9)], concurrency=2)
        next(outcomes)
        began = time.monotonic()
        close: Callable[[], None] = outcomes.close  # type: ignore[attr-defined]
        close()
        assert time.monotonic() - began < LIMIT_S / 2
        go_on.set()
    assert len(asked) <= 3, "what waited for its turn is not asked"


def test_files_are_not_read_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def read(*_: object, **__: object) -> Iterator[None]:
        threads.append(threading.current_thread())
        raise FileNotFoundError

    monkeypatch.setattr(messages, "classification", read)

    async def ask() -> None:
        async with AsyncLunarClient() as lunar:
            for method in (lunar.predict, lunar.explain):
                with pytest.raises(FileNotFoundError):
                    await method("lesion.png")

    asyncio.run(ask())
    assert len(threads) == 2
    assert threading.main_thread() not in threads
