"""The way to the model: one call at a time, a bounded number of callers waiting."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from service.errors import Overloaded

P = ParamSpec("P")
T = TypeVar("T")


class Lane:
    """A single worker thread behind a bounded queue.

    On a CPU one forward pass uses every core, so calls side by side would only wait for each other.
    """

    def __init__(self, *, max_waiting: int) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._capacity = max_waiting + 1
        self._present = 0

    async def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the function when its turn comes. Cancelling the caller frees its place; work that has not started
        is then never started. Raises Overloaded at once when the queue is full.
        """
        if self._present >= self._capacity:
            raise Overloaded(f"{self._capacity - 1} requests are waiting already.")
        self._present += 1
        future = self._worker.submit(function, *args, **kwargs)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))
        loop = asyncio.get_running_loop()
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _leave(self) -> None:
        self._present -= 1
