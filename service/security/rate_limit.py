"""Rate limits: moving windows, counted in memory or in Redis."""

import ipaddress
import logging
import math
import time
from typing import TYPE_CHECKING, Any

import limits
from limits.errors import StorageError

from service.errors import RateLimited
from service.security.moving_window import MovingWindow
from service.settings import OFF, Settings

if TYPE_CHECKING:
    from limits.aio.strategies import MovingWindowRateLimiter
    from redis.asyncio import ConnectionPool

DEFAULT = "120/minute"
REDIS_TIMEOUT_S = 0.5
REDIS_PAUSE_S = 10.0

log = logging.getLogger(__name__)


class RateLimiter:
    """Counts requests by name. If Redis does not answer, this process counts alone for REDIS_PAUSE_S."""

    def __init__(self, settings: Settings) -> None:
        rate = settings.rate_limit or (OFF if settings.on_loopback else DEFAULT)
        self._limit = None if rate == OFF else limits.parse(rate)
        self._local = MovingWindow(self._limit) if self._limit else None
        self._redis = _connect(settings.redis.get_secret_value()) if settings.redis and self._limit else None
        self._shared = _count_in(self._redis) if self._redis else None
        self._local_until = 0.0  # of time.monotonic()

    async def count(self, name: str) -> None:
        """Count one more request of this name. Raises RateLimited."""
        if self._limit is None or self._local is None:
            return
        if self._shared and time.monotonic() >= self._local_until:
            try:
                wait_s = await _count(self._shared, self._limit, name)
            except StorageError as error:
                self._local_until = time.monotonic() + REDIS_PAUSE_S
                # Only the type: the message of a Redis client may contain the address with its password.
                log.warning(
                    "Redis does not answer: this process counts rates alone",
                    extra={"reason": type(error.storage_error).__name__},
                )
            else:
                self._check(wait_s)
                return
        self._check(self._local.count(name))

    def _check(self, wait_s: float | None) -> None:
        if wait_s is not None and self._limit:
            words = f"At most {self._limit.amount} requests in {self._limit.get_expiry()} s are allowed."
            raise RateLimited(words, retry_after=max(1, math.ceil(wait_s)))

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        if self._redis:
            await self._redis.aclose()


async def _count(limiter: "MovingWindowRateLimiter", limit: limits.RateLimitItem, name: str) -> float | None:
    """Count one more request; after how many seconds the next one is allowed if this one is not."""
    if await limiter.hit(limit, name):
        return None
    window = await limiter.get_window_stats(limit, name)
    return window.reset_time - time.time()


def name_of(address: str) -> str:
    """The name under which an address is counted; for IPv6 its /64, which providers assign to one household."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "address:unknown"  # a trusted proxy may forward something else than an address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return f"address:{ipaddress.ip_network((parsed, 64), strict=False)}"
    return f"address:{parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else parsed}"


def _connect(address: str) -> "ConnectionPool":
    from redis.asyncio import ConnectionPool  # its import takes a tenth of a second, and few services count in Redis

    timeout = REDIS_TIMEOUT_S
    return ConnectionPool.from_url(address, socket_timeout=timeout, socket_connect_timeout=timeout)


def _count_in(redis: "ConnectionPool") -> "MovingWindowRateLimiter":
    from limits.aio.storage import RedisStorage
    from limits.aio.strategies import MovingWindowRateLimiter

    # limits 5.8 reads only the scheme of this address: it connects through the pool.
    pool: Any = redis
    storage = RedisStorage(
        "async+redis://", implementation="redispy", wrap_exceptions=True, key_prefix="lunar", connection_pool=pool
    )
    return MovingWindowRateLimiter(storage)
