"""Batches the images of several requests into one call of the runtime."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inference.runtimes import Outputs
from service.observability.timings import Timings

Run = Callable[[NDArray[np.uint8]], Outputs]


@dataclass(slots=True, eq=False)
class BatchItem:
    """The images of one request, uint8 [n, s, s, 3], and the future of their outputs."""

    run: Run
    images: NDArray[np.uint8]
    steps: Timings
    submitted: float = field(default_factory=time.perf_counter)
    outputs: Future[Outputs] = field(default_factory=Future)

    def note(self, began: float) -> None:
        """Note the timings of the call that contained this item; the call ends now."""
        self.steps.note("queue", began=self.submitted, ended=began)
        self.steps.end("inference", began=began)


class Batcher:
    """One thread that executes the model, and its queue.

    A call takes the items that wait for the same model, up to `max_batch_size` images; while it runs, the next batch
    collects. A call waits for more images only if `coming` reports requests that are being prepared, and then at most
    `wait_s` seconds, so that a single request is not delayed.
    """

    def __init__(self, *, wait_s: float = 0, coming: Callable[[], int] = lambda: 0) -> None:
        self._wait_s, self._coming = wait_s, coming
        self._items: deque[BatchItem] = deque()
        self._changed = threading.Condition()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    @property
    def waiting(self) -> int:
        """How many requests wait for the model."""
        return len(self._items)

    async def submit(self, run: Run, images: NDArray[np.uint8], *, max_batch_size: int, steps: Timings) -> Outputs:
        """Outputs of `run` for the images uint8 [n, s, s, 3], which may share the call with those of other requests.

        An error concerns this request alone. Cancelling returns at once and removes the item from the queue: an item
        that waits is never executed, a call that runs continues for the other requests.
        """
        item = BatchItem(run, images, steps)
        with self._changed:
            self._items.append(item)
            self._changed.notify()
        try:
            self._thread.submit(self._serve, max_batch_size)
            return await asyncio.wrap_future(item.outputs)
        finally:
            with self._changed:
                if item in self._items:
                    self._items.remove(item)

    def close(self) -> None:
        """Finish the call that runs and cancel the items that wait."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        with self._changed:
            for item in self._items:
                item.outputs.cancel()

    def _serve(self, max_batch_size: int) -> None:
        """Every item submits one of these calls; a call that finds an empty queue does nothing."""
        if items := self._take(max_batch_size):
            _answer(items)

    def _take(self, max_batch_size: int) -> list[BatchItem]:
        deadline = time.monotonic() + self._wait_s
        with self._changed:
            while 0 < self._next_batch(max_batch_size)[1] < max_batch_size and self._coming() > 0:
                if not self._changed.wait(deadline - time.monotonic()):
                    break
            taken = [self._items.popleft() for _ in range(self._next_batch(max_batch_size)[0])]
        return [item for item in taken if item.outputs.set_running_or_notify_cancel()]

    def _next_batch(self, max_batch_size: int) -> tuple[int, int]:
        """How many of the first items one call takes, at least one, and how many images they have."""
        images = 0
        for count, item in enumerate(self._items):
            if count and (item.run != self._items[0].run or images + len(item.images) > max_batch_size):
                return count, images
            images += len(item.images)
        return len(self._items), images


def _answer(items: list[BatchItem]) -> None:
    began = time.perf_counter()
    try:
        outputs = items[0].run(np.concatenate([item.images for item in items]) if items[1:] else items[0].images)
    except Exception as error:  # noqa: BLE001 - the request that waits raises it
        if items[1:]:  # executed one by one, only the item at fault fails
            for item in items:
                _answer([item])
        else:
            items[0].note(began)
            items[0].outputs.set_exception(error)
        return
    first = 0
    for item in items:
        item.note(began)
        own = slice(first, first + len(item.images))
        item.outputs.set_result(Outputs(logits=outputs.logits[own], features=outputs.features[own]))
        first = own.stop
