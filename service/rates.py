"""How often somebody may ask: moving windows, counted in memory or in Redis."""

import ipaddress
import logging
import math
import time
from typing import Any

import limits
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from redis.asyncio import ConnectionPool

from service.errors import RateLimited
from service.settings import OFF, Settings

DEFAULT = "120/minute"
REDIS_TIMEOUT_S = 0.5
REDIS_PAUSE_S = 10.0

log = logging.getLogger(__name__)


class Rates:
    """Counts requests by name. If Redis does not answer, this process counts for itself for a while."""

    def __init__(self, settings: Settings) -> None:
        asked = settings.rate_limit or (OFF if settings.on_loopback else DEFAULT)
        self._limit = None if asked == OFF else limits.parse(asked)
        self._here = MovingWindowRateLimiter(MemoryStorage())
        self._redis = _connect(settings.redis.get_secret_value()) if settings.redis and self._limit else None
        self._together = _count_in(self._redis) if self._redis else None
        self._alone_until = 0.0  # of time.monotonic()

    async def count(self, name: str) -> None:
        """One request more of this name. Raises RateLimited."""
        if self._limit is None:
            return
        if self._together and time.monotonic() >= self._alone_until:
            try:
                await _count(self._together, self._limit, name)
            except StorageError as error:
                self._alone_until = time.monotonic() + REDIS_PAUSE_S
                # Without the cause: a client's message may hold the address with its password.
                log.warning("rates are counted here", extra={"reason": type(error.storage_error).__name__})
            else:
                return
        await _count(self._here, self._limit, name)

    async def close(self) -> None:
        """Leave Redis."""
        if self._redis:
            await self._redis.aclose()


async def _count(limiter: MovingWindowRateLimiter, limit: limits.RateLimitItem, name: str) -> None:
    if await limiter.hit(limit, name):
        return
    window = await limiter.get_window_stats(limit, name)
    wait = max(1, math.ceil(window.reset_time - time.time()))
    raise RateLimited(f"Allowed are {limit.amount} requests in {limit.get_expiry()} s.", retry_after=wait)


def name_of(address: str) -> str:
    """An address as it is counted: of IPv6 the /64, which is what one household or machine is given."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "address:unknown"  # what a trusted proxy forwards need not be an address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return f"address:{ipaddress.ip_network((parsed, 64), strict=False)}"
    return f"address:{parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else parsed}"


def _connect(address: str) -> ConnectionPool:
    timeout = REDIS_TIMEOUT_S
    return ConnectionPool.from_url(address, socket_timeout=timeout, socket_connect_timeout=timeout)


def _count_in(redis: ConnectionPool) -> MovingWindowRateLimiter:
    # The address is only looked at for its kind: with a pool, limits 5.8 does not connect by itself.
    pool: Any = redis
    storage = RedisStorage(
        "async+redis://", implementation="redispy", wrap_exceptions=True, key_prefix="lunar", connection_pool=pool
    )
    return MovingWindowRateLimiter(storage)
