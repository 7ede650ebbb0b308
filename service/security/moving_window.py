"""Rate limits counted in this process's memory."""

import time
from collections import OrderedDict, deque

import limits


class MovingWindow:
    """The requests of each name within the window. Names without one are forgotten at the next request of anybody.

    The memory storage of limits 5.8 goes through every name in a thread call of its own at each request, and keeps the
    names until then; many addresses make that slow.
    """

    def __init__(self, limit: limits.RateLimitItem) -> None:
        self._most, self._window_s = limit.amount, limit.get_expiry()
        self._times: OrderedDict[str, deque[float]] = OrderedDict()  # by the time of the last counted request

    def __len__(self) -> int:
        """How many names are remembered."""
        return len(self._times)

    def count(self, name: str) -> float | None:
        """Count a request; if it is one too many, do not, and return after how many seconds the next is allowed."""
        now = time.monotonic()  # a clock that is set back would keep clients out
        begin = now - self._window_s
        while self._times and next(iter(self._times.values()))[-1] <= begin:
            self._times.popitem(last=False)
        times = self._times.setdefault(name, deque())
        while times and times[0] <= begin:
            times.popleft()
        if len(times) >= self._most:
            return times[0] - begin
        times.append(now)
        self._times.move_to_end(name)
        return None
