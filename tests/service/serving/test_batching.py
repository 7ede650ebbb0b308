"""Requests that share calls of the model: who goes with whom, who waits, and whose error it is."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.runtimes import Outputs
from service.observability.timings import Timings
from service.serving import batching
from service.serving.batching import Batcher
from tests.support.waiting import LIMIT_S, wait_in_loop

Images = NDArray[np.uint8]
FOREVER_S = 2 * LIMIT_S


class Model:
    """Notes its calls; its logits tell the images apart, 255 breaks it, and it does not begin before it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.gate, self.inside = threading.Event(), threading.Event()

    def run(self, images: Images) -> Outputs:
        self.calls.append(images[:, 0, 0, 0].tolist())
        self.inside.set()
        assert self.gate.wait(LIMIT_S)
        if (images == 255).any():
            raise ZeroDivisionError("a broken image")
        return Outputs(logits=images[:, 0, 0, :1].astype(np.float32), features=images[..., :1].astype(np.float32))


def image(*values: int) -> Images:
    return np.stack([np.full((2, 2, 3), value, np.uint8) for value in values])


def walk(story: Callable[[Batcher, Model], Coroutine[None, None, None]], **settings: object) -> Model:
    async def told() -> None:
        batcher = Batcher(**settings)  # type: ignore[arg-type]
        try:
            await story(batcher, model)
        finally:
            model.gate.set()
            batcher.close()

    model = Model()
    asyncio.run(told())
    return model


def send(batcher: Batcher, model: Model, images: Images, *, max_batch_size: int = 4) -> "asyncio.Task[Outputs]":
    return asyncio.create_task(batcher.submit(model.run, images, max_batch_size=max_batch_size, steps=Timings()))


async def behind(
    batcher: Batcher, model: Model, *images: Images, max_batch_size: int = 4
) -> "list[asyncio.Task[Outputs]]":
    """Requests that arrive, in this order, while a call with the image 1 runs, which ends then."""
    first = send(batcher, model, image(1), max_batch_size=max_batch_size)
    assert await asyncio.to_thread(model.inside.wait, LIMIT_S)
    tasks = [first, *(send(batcher, model, each, max_batch_size=max_batch_size) for each in images)]
    await queued(batcher, len(images))
    return tasks


async def queued(batcher: Batcher, count: int) -> None:
    await wait_in_loop(lambda: batcher.waiting == count, f"{count} requests wait")


def test_what_waits_goes_together_and_each_gets_its_own() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        tasks = await behind(batcher, model, image(2), image(3, 4), image(5), image(6))
        model.gate.set()
        found = await asyncio.gather(*tasks)
        assert [one.logits[:, 0].tolist() for one in found] == [[1], [2], [3, 4], [5], [6]]
        assert [one.features[:, 0, 0, 0].tolist() for one in found] == [[1], [2], [3, 4], [5], [6]]
        assert batcher.waiting == 0

    assert walk(story).calls == [[1], [2, 3, 4, 5], [6]]


def test_one_image_a_call_where_more_gain_nothing_but_a_request_stays_whole() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        tasks = await behind(batcher, model, image(2), image(3, 4, 5), image(6), max_batch_size=1)
        model.gate.set()
        await asyncio.gather(*tasks)

    assert walk(story).calls == [[1], [2], [3, 4, 5], [6]]


def test_images_for_two_models_are_never_mixed() -> None:
    other = Model()
    other.gate.set()

    async def story(batcher: Batcher, model: Model) -> None:
        tasks = await behind(batcher, model, image(2))
        tasks += [send(batcher, other, image(3)), send(batcher, model, image(4))]
        await queued(batcher, 3)
        model.gate.set()
        await asyncio.gather(*tasks)

    assert walk(story).calls == [[1], [2], [4]]
    assert other.calls == [[3]]


def test_an_error_is_that_of_one_request() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        tasks = await behind(batcher, model, image(2), image(255), image(3))
        model.gate.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [one.logits[:, 0].tolist() for one in found if isinstance(one, Outputs)] == [[1], [2], [3]]
        assert isinstance(found[2], ZeroDivisionError)
        assert (await send(batcher, model, image(4))).logits[0, 0] == 4

    assert walk(story).calls == [[1], [2, 255, 3], [2], [255], [3], [4]]


def test_who_is_cancelled_is_never_started_and_gives_up_the_place() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        tasks = await behind(batcher, model, image(2), image(3))
        tasks[1].cancel()
        await queued(batcher, 1)
        model.gate.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(found[1], asyncio.CancelledError)

    assert walk(story).calls == [[1], [3]]


def test_who_is_cancelled_in_a_call_does_not_end_it_for_the_others() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        tasks = await behind(batcher, model, image(2), image(3))
        model.inside.clear()
        model.gate.set()
        await tasks[0]
        tasks[1].cancel()
        assert (await tasks[2]).logits[0, 0] == 3

    assert walk(story).calls[0] == [1]


def test_a_caller_alone_waits_for_nobody() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.set()
        await asyncio.wait_for(send(batcher, model, image(1)), LIMIT_S)

    assert walk(story, wait_s=FOREVER_S).calls == [[1]]


def test_who_is_on_the_way_is_waited_for() -> None:
    decoding, asked = 1, threading.Event()

    def coming() -> int:
        found = decoding  # before the test goes on
        asked.set()
        return found

    async def story(batcher: Batcher, model: Model) -> None:
        nonlocal decoding
        model.gate.set()
        first = send(batcher, model, image(1))
        assert await asyncio.to_thread(asked.wait, LIMIT_S)
        decoding = 0  # what the one that is waited for does before it asks
        await asyncio.wait_for(asyncio.gather(first, send(batcher, model, image(2))), LIMIT_S)

    assert walk(story, wait_s=FOREVER_S, coming=coming).calls == [[1, 2]]


@pytest.mark.parametrize("wait_s", [0.0, 0.05])
def test_nobody_is_waited_for_longer_than_set(wait_s: float) -> None:
    """There is always somebody on the way, who never comes."""

    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.set()
        await asyncio.wait_for(send(batcher, model, image(1)), LIMIT_S)

    assert walk(story, wait_s=wait_s, coming=lambda: 1).calls == [[1]]


def test_a_full_call_waits_for_nobody() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.set()
        await asyncio.wait_for(send(batcher, model, image(2, 3, 4, 5)), LIMIT_S)

    assert walk(story, wait_s=FOREVER_S, coming=lambda: 1).calls == [[2, 3, 4, 5]]


def test_waiting_and_running_are_noted_for_each() -> None:
    steps = Timings()

    async def story(batcher: Batcher, model: Model) -> None:
        await behind(batcher, model)
        task = asyncio.create_task(batcher.submit(model.run, image(2), max_batch_size=4, steps=steps))
        await queued(batcher, 1)
        waiting.append(time.perf_counter())
        model.gate.set()
        await task

    waiting: list[float] = []  # a moment at which it did
    walk(story)
    queue, inference = steps.ended
    assert (queue.name, inference.name) == ("queue", "inference")
    assert queue.began <= waiting[0] <= queue.ended == inference.began <= inference.ended


def test_a_call_that_fails_is_noted_too() -> None:
    steps = Timings()

    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.set()
        with pytest.raises(ZeroDivisionError):
            await batcher.submit(model.run, image(255), max_batch_size=4, steps=steps)

    walk(story)
    assert [step.name for step in steps.ended] == ["queue", "inference"]


def test_closing_finishes_what_runs_and_drops_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = threading.Event()

    class Pool(ThreadPoolExecutor):
        """Says when nothing new begins any more."""

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            closed.set()
            super().shutdown(wait=wait)

    async def story(batcher: Batcher, model: Model) -> None:
        tasks = await behind(batcher, model, image(2))
        closing = asyncio.create_task(asyncio.to_thread(batcher.close))
        assert await asyncio.to_thread(closed.wait, LIMIT_S)
        model.gate.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await closing
        assert isinstance(found[0], Outputs)
        assert isinstance(found[1], asyncio.CancelledError)

    monkeypatch.setattr(batching, "ThreadPoolExecutor", Pool)
    assert walk(story).calls == [[1]]
