"""Rates, in memory and in a real Redis."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import aclosing
from types import SimpleNamespace

import limits
import pytest
import redis
from pydantic import SecretStr

from service.errors import RateLimited
from service.security import moving_window, rate_limit
from service.security.moving_window import MovingWindow
from service.security.rate_limit import RateLimiter, name_of
from service.settings import Settings
from tests.support.processes import free_port, stop
from tests.support.waiting import LIMIT_S, wait_for


async def count(rates: RateLimiter, name: str, times: int) -> int:
    """How many of so many requests pass."""
    passed = 0
    for _ in range(times):
        try:
            await rates.count(name)
        except RateLimited:
            continue
        passed += 1
    return passed


def test_windows_move_and_names_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(moving_window, "time", SimpleNamespace(monotonic=lambda: now))

    async def walk() -> None:
        nonlocal now
        rates = RateLimiter(Settings(rate_limit="2/minute"))
        assert await count(rates, "a", 1) == 1
        now += 40
        assert await count(rates, "a", 5) == 1
        assert await count(rates, "b", 5) == 2
        with pytest.raises(RateLimited, match="2 requests in 60 s") as refused:
            await rates.count("a")
        assert refused.value.retry_after == 20
        now += 21
        assert await count(rates, "a", 5) == 1, "the second of the two is still in the window"

    asyncio.run(walk())


def test_a_name_is_forgotten_with_its_last_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many addresses must not stay in memory; one that is still in its window must."""
    now = 1000.0
    monkeypatch.setattr(moving_window, "time", SimpleNamespace(monotonic=lambda: now))
    window = MovingWindow(limits.parse("2/minute"))
    for number in range(1000):
        assert window.count(f"address:{number}") is None
    now += 30
    assert window.count("address:0") is None
    assert window.count("address:0") == pytest.approx(30)
    assert len(window) == 1000
    now += 31
    assert window.count("address:0") is None, "the first one has left the window"
    assert len(window) == 1
    assert window.count("address:0") == pytest.approx(29)


def test_a_clock_that_is_set_back_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    window = MovingWindow(limits.parse("1/minute"))
    assert window.count("a") is None
    now -= 3600
    wait_s = window.count("a")
    assert wait_s is not None
    assert wait_s <= 60


@pytest.mark.parametrize(("settings", "passed"), [
    ({}, 130), ({"host": "0.0.0.0"}, 120), ({"host": "0.0.0.0", "rate_limit": "off"}, 130),
    ({"rate_limit": "1/hour"}, 1),
])  # fmt: skip
def test_who_is_limited_unless_told_otherwise(settings: dict, passed: int) -> None:
    assert asyncio.run(count(RateLimiter(Settings(**settings)), "a", 130)) == passed


@pytest.mark.parametrize(("address", "name"), [
    ("192.0.2.1", "address:192.0.2.1"), ("::ffff:192.0.2.1", "address:192.0.2.1"),
    ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"), ("2001:db8:1:2::9", "address:2001:db8:1:2::/64"),
    ("unix:", "address:unknown"), ("", "address:unknown"),
])  # fmt: skip
def test_an_address_counts_as_what_one_household_has(address: str, name: str) -> None:
    assert name_of(address) == name


@pytest.fixture
def redis_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SecretStr, "subprocess.Popen[bytes]"]]:
    """A server with a password, and its process."""
    monkeypatch.setattr(rate_limit, "REDIS_TIMEOUT_S", LIMIT_S)  # of a busy machine
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on the path (Debian: apt install redis-server)")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "s3cret"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    address = f"redis://:s3cret@127.0.0.1:{port}/0"
    try:
        with redis.Redis.from_url(address) as client:

            def answers() -> bool:
                assert process.poll() is None
                try:
                    return bool(client.ping())
                except redis.ConnectionError:
                    return False

            wait_for(answers, "an answer of Redis")
        yield SecretStr(address), process
    finally:
        stop(process)


def test_processes_count_together_in_redis_and_alone_without_it(
    redis_server: tuple[SecretStr, "subprocess.Popen[bytes]"], caplog: pytest.LogCaptureFixture
) -> None:
    address, process = redis_server

    async def walk() -> None:
        settings = Settings(rate_limit="4/hour", redis=address)
        async with aclosing(RateLimiter(settings)) as one, aclosing(RateLimiter(settings)) as other:
            assert await count(one, "a", 3) == 3
            assert await count(other, "a", 3) == 1
            stop(process)
            assert await count(other, "a", 9) == 4, "each for itself"
        assert [record.getMessage() for record in caplog.records] == [
            "Redis does not answer: this process counts rates alone"
        ]
        logged = vars(caplog.records[0])
        assert "s3cret" not in str(logged)
        assert logged["reason"].isidentifier(), "the kind of error alone, not its message"

    asyncio.run(walk())
