"""Many callers, one runtime call: images that wait for the same model go to it together."""

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
from service.steps import Steps

Run = Callable[[NDArray[np.uint8]], Outputs]


@dataclass(slots=True, eq=False)
class _Wish:
    """The images of one request, uint8 [n, s, s, 3], and who waits for what the model says of them."""

    run: Run
    images: NDArray[np.uint8]
    steps: Steps
    asked: float = field(default_factory=time.perf_counter)
    outputs: Future[Outputs] = field(default_factory=Future)

    def note(self, began: float) -> None:
        """The call that it was in, with or without others, began then and has ended."""
        self.steps.note("queue", began=self.asked, ended=began)
        self.steps.end("inference", began=began)


class Batcher:
    """One thread for the model, and the queue before it.

    A call takes whatever waits for the same model, up to the `most` images that it gains from; while it runs, the next
    one gathers. Only if `coming` says that other requests are on their way is anybody waited for, at most `wait_s`
    seconds: a caller alone waits for nobody.
    """

    def __init__(self, *, wait_s: float = 0, coming: Callable[[], int] = lambda: 0) -> None:
        self._wait_s, self._coming = wait_s, coming
        self._wishes: deque[_Wish] = deque()
        self._changed = threading.Condition()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    @property
    def waiting(self) -> int:
        """How many requests wait for the model."""
        return len(self._wishes)

    async def submit(self, run: Run, images: NDArray[np.uint8], *, most: int, steps: Steps) -> Outputs:
        """`run` on the images uint8 [n, s, s, 3], perhaps together with those of others; what it says of these.

        An error is that of this request alone. Cancelling returns at once and frees the place: what waits is never
        started, a call that runs goes on for the others.
        """
        wish = _Wish(run, images, steps)
        with self._changed:
            self._wishes.append(wish)
            self._changed.notify()
        try:
            self._thread.submit(self._serve, most)
            return await asyncio.wrap_future(wish.outputs)
        finally:
            with self._changed:
                if wish in self._wishes:
                    self._wishes.remove(wish)

    def close(self) -> None:
        """Finish the call that runs, drop what waits."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        with self._changed:
            for wish in self._wishes:
                wish.outputs.cancel()

    def _serve(self, most: int) -> None:
        """Every wish asks for one; those that find their wish answered already have nothing to do."""
        if wishes := self._gather(most):
            _answer(wishes)

    def _gather(self, most: int) -> list[_Wish]:
        deadline = time.monotonic() + self._wait_s
        with self._changed:
            while 0 < self._together(most)[1] < most and self._coming() > 0:
                if not self._changed.wait(deadline - time.monotonic()):
                    break
            taken = [self._wishes.popleft() for _ in range(self._together(most)[0])]
        return [wish for wish in taken if wish.outputs.set_running_or_notify_cancel()]

    def _together(self, most: int) -> tuple[int, int]:
        """How many of the first wishes one call takes, at least one, and how many images those have."""
        images = 0
        for count, wish in enumerate(self._wishes):
            if count and (wish.run != self._wishes[0].run or images + len(wish.images) > most):
                return count, images
            images += len(wish.images)
        return len(self._wishes), images


def _answer(wishes: list[_Wish]) -> None:
    began = time.perf_counter()
    try:
        outputs = wishes[0].run(np.concatenate([wish.images for wish in wishes]) if wishes[1:] else wishes[0].images)
    except Exception as error:  # noqa: BLE001 - whoever waits raises it
        if wishes[1:]:  # whose fault it is shows when each goes alone
            for wish in wishes:
                _answer([wish])
        else:
            wishes[0].note(began)
            wishes[0].outputs.set_exception(error)
        return
    first = 0
    for wish in wishes:
        wish.note(began)
        own = slice(first, first + len(wish.images))
        wish.outputs.set_result(Outputs(logits=outputs.logits[own], features=outputs.features[own]))
        first = own.stop
