"""Work for threads: so many at a time; what is cancelled while it waits is never started."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Lane:
    """A fixed number of worker threads and a queue."""

    def __init__(self, *, workers: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix=name)
        self._waiting: set[object] = set()  # adding and discarding are atomic, unlike counting

    @property
    def waiting(self) -> int:
        """How many calls wait for their turn."""
        return len(self._waiting)

    async def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the function when its turn comes. Cancelling returns at once: work that waits is never started, work
        that runs keeps its worker until it ends.
        """
        place = object()

        def start() -> T:
            self._waiting.discard(place)
            return function(*args, **kwargs)

        self._waiting.add(place)
        try:
            return await asyncio.wrap_future(self._pool.submit(start))
        finally:
            self._waiting.discard(place)

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)
