"""Waiting for a condition, with one limit for all tests. No test asserts how long something takes.

The limit decides when a failing test ends. It is much longer than a busy machine needs.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LIMIT_S = 900.0
LIMIT_MS = 1000 * LIMIT_S  # as Playwright counts
PAUSE_S = 0.02


def wait_for(
    condition: Callable[[], T | None], what: str | Callable[[], str], *, pause: Callable[[], object] | None = None
) -> T:
    """The first true value of the condition. `pause` is called between two checks; default: sleep PAUSE_S.

    Raises TimeoutError after LIMIT_S; it says `what` was waited for, and the condition's last value.
    """
    end = time.monotonic() + LIMIT_S
    while not (found := condition()):
        if time.monotonic() > end:
            raise _late(what, found)
        pause() if pause else time.sleep(PAUSE_S)
    return found


async def wait_in_loop(condition: Callable[[], T | None], what: str | Callable[[], str]) -> T:
    """The same in a coroutine, while the event loop goes on."""
    end = time.monotonic() + LIMIT_S
    while not (found := condition()):
        if time.monotonic() > end:
            raise _late(what, found)
        await asyncio.sleep(PAUSE_S)
    return found


def _late(what: str | Callable[[], str], found: object) -> TimeoutError:
    return TimeoutError(f"not within {LIMIT_S:g} s: {what if isinstance(what, str) else what()}; last: {found!r}")
