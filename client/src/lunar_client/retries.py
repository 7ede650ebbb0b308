"""When a request is tried again, and after how long."""

import random
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import httpx

BUSY = frozenset({429, 502, 503})  # 502: of a proxy whose replica is gone
JITTER = 0.25  # a wait is up to this part longer: clients that were refused together do not come back together
CHANCE = random.SystemRandom()  # programs that set the same seed wait differently, and keep their own random numbers


@dataclass(frozen=True)
class Retries:
    """A busy service, and one that dropped the connection, is asked again, `attempts` times at most, as soon
    as its Retry-After allows.

    first_wait_s: seconds before the first repetition if the service does not say, doubled each time.
    longest_wait_s: a service that asks to wait longer is not waited for.
    """

    attempts: int = 3
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0

    def wait_s(self, response: httpx.Response | None, *, done: int) -> float | None:
        """Seconds until the next attempt after `done` repetitions; None if there is none.

        response: None if there was no connection, or it was dropped.
        """
        if done >= self.attempts or (response is not None and response.status_code not in BUSY):
            return None
        wait = _retry_after(response)
        if wait is None:
            wait = self.first_wait_s * 2**done
        return wait * CHANCE.uniform(1, 1 + JITTER) if wait <= self.longest_wait_s else None


def _retry_after(response: httpx.Response | None) -> float | None:
    text = response.headers.get("Retry-After", "") if response is not None else ""
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    zoned = until if until.tzinfo else until.replace(tzinfo=timezone.utc)
    return max(0.0, (zoned - datetime.now(timezone.utc)).total_seconds())
