"""Requests are answered whatever happens to Redis: a real server that freezes, stops and comes back."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service.errors import RateLimited
from service.security import rate_limit
from service.security.rate_limit import RateLimiter
from service.settings import Settings
from tests.support.redis_server import RedisServer
from tests.support.waiting import LIMIT_S, wait_for


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("counted_before", [True, False], ids=["an open connection", "no connection yet"])
def test_a_frozen_redis_keeps_no_request(
    counted_before: bool,
    redis_server: RedisServer,
    open_client: Callable[..., TestClient],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a limit on how long Redis may take, the requests would wait until it is thawed."""
    client = open_client(rate_limit="1000/hour", redis=SecretStr(redis_server.address))
    monkeypatch.setattr(rate_limit, "REDIS_PAUSE_S", 0.0)  # on a busy machine a healthy Redis may be late, too

    def counted() -> list[str]:
        assert client.get("/model").status_code == 200
        return redis_server.stored()

    if counted_before:
        wait_for(counted, "a request is counted in Redis")
    caplog.clear()
    redis_server.freeze()
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(client.get, "/model") for _ in range(3)]
        try:
            answers = [each.result(timeout=LIMIT_S).status_code for each in asked]
        finally:
            redis_server.thaw()  # ends a request that waits for it
    assert answers == [200, 200, 200]
    assert "Redis does not answer: this process counts rates alone" in caplog.messages
    assert "s3cret" not in caplog.text


def test_a_redis_that_comes_back_is_used_again(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes count together, each for itself while Redis is stopped, and then together again."""
    monkeypatch.setattr(rate_limit, "REDIS_PAUSE_S", 0.0)
    monkeypatch.setattr(rate_limit, "REDIS_TIMEOUT_S", LIMIT_S)
    settings = Settings(rate_limit="4/hour", redis=SecretStr(redis_server.address))

    async def passed(rates: RateLimiter, name: str) -> int:
        """How many of five requests pass."""
        count = 0
        for _ in range(5):
            try:
                await rates.count(name)
            except RateLimited:
                continue
            count += 1
        return count

    async def walk() -> None:
        async with aclosing(RateLimiter(settings)) as one, aclosing(RateLimiter(settings)) as other:
            assert (await passed(one, "before"), await passed(other, "before")) == (4, 0)
            redis_server.stop()
            assert (await passed(one, "meanwhile"), await passed(other, "meanwhile")) == (4, 4)
            redis_server.start()
            assert (await passed(one, "after"), await passed(other, "after")) == (4, 0)

    asyncio.run(walk())


def test_what_is_stored_in_redis_bears_the_services_name(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may use the same Redis."""
    monkeypatch.setattr(rate_limit, "REDIS_TIMEOUT_S", LIMIT_S)

    async def walk() -> None:
        settings = Settings(rate_limit="4/hour", redis=SecretStr(redis_server.address))
        async with aclosing(RateLimiter(settings)) as rates:
            await rates.count("somebody")

    asyncio.run(walk())
    wait_for(redis_server.stored, "the request is counted in Redis")
    assert all(key.startswith("lunar") for key in redis_server.stored())
