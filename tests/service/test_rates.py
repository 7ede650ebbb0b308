"""Rates, in memory and in a real Redis."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
import redis
from pydantic import SecretStr

from service.errors import RateLimited
from service.rates import Rates, name_of
from service.settings import Settings
from tests.running import free_port


async def count(rates: Rates, name: str, times: int) -> int:
    """How many of so many requests pass."""
    passed = 0
    for _ in range(times):
        try:
            await rates.count(name)
        except RateLimited:
            continue
        passed += 1
    return passed


def test_windows_move_and_names_are_apart() -> None:
    async def walk() -> None:
        rates = Rates(Settings(rate_limit="2/second"))
        assert await count(rates, "a", 1) == 1
        await asyncio.sleep(0.6)
        assert await count(rates, "a", 5) == 1
        assert await count(rates, "b", 5) == 2
        with pytest.raises(RateLimited, match="2 requests in 1 s") as refused:
            await rates.count("a")
        assert refused.value.retry_after == 1
        await asyncio.sleep(0.5)
        assert await count(rates, "a", 5) == 1, "the second of the two is still in the window"

    asyncio.run(walk())


@pytest.mark.parametrize(("settings", "passed"), [
    ({}, 130), ({"host": "0.0.0.0"}, 120), ({"host": "0.0.0.0", "rate_limit": "off"}, 130),
    ({"rate_limit": "1/hour"}, 1),
])  # fmt: skip
def test_who_is_limited_unless_told_otherwise(settings: dict, passed: int) -> None:
    assert asyncio.run(count(Rates(Settings(**settings)), "a", 130)) == passed


@pytest.mark.parametrize(("address", "name"), [
    ("192.0.2.1", "address:192.0.2.1"), ("::ffff:192.0.2.1", "address:192.0.2.1"),
    ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"), ("2001:db8:1:2::9", "address:2001:db8:1:2::/64"),
    ("unix:", "address:unknown"), ("", "address:unknown"),
])  # fmt: skip
def test_an_address_counts_as_what_one_household_has(address: str, name: str) -> None:
    assert name_of(address) == name


@pytest.fixture
def redis_server() -> Iterator[tuple[SecretStr, "subprocess.Popen[bytes]"]]:
    """A server with a password, and its process."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on the path (Debian: apt install redis-server)")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "s3cret"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    address = f"redis://:s3cret@127.0.0.1:{port}/0"
    try:
        with redis.Redis.from_url(address) as client:
            deadline = time.monotonic() + 10
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
        yield SecretStr(address), process
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_processes_count_together_in_redis_and_alone_without_it(
    redis_server: tuple[SecretStr, "subprocess.Popen[bytes]"], caplog: pytest.LogCaptureFixture
) -> None:
    address, process = redis_server

    async def walk() -> None:
        one, other = (Rates(Settings(rate_limit="4/minute", redis=address)) for _ in range(2))
        assert await count(one, "a", 3) == 3
        assert await count(other, "a", 3) == 1
        process.terminate()
        process.wait(timeout=10)
        began = time.monotonic()
        assert await count(other, "a", 9) == 4, "each for itself"
        assert time.monotonic() - began < 2
        assert [record.getMessage() for record in caplog.records] == ["rates are counted here"]
        assert "s3cret" not in str(vars(caplog.records[0]))
        await one.close()
        await other.close()

    asyncio.run(walk())
