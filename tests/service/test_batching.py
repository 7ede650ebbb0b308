"""Requests that share calls of the model: who goes with whom, who waits, and whose error it is."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.runtimes import Outputs
from service.batching import Batcher
from service.steps import Steps

Images = NDArray[np.uint8]


class Model:
    """Notes its calls; its logits tell the images apart, 255 breaks it, and it does not begin before it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.gate, self.inside = threading.Event(), threading.Event()

    def run(self, images: Images) -> Outputs:
        self.calls.append(images[:, 0, 0, 0].tolist())
        self.inside.set()
        assert self.gate.wait(5)
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


def send(batcher: Batcher, model: Model, images: Images, *, most: int = 4) -> "asyncio.Task[Outputs]":
    return asyncio.create_task(batcher.submit(model.run, images, most=most, steps=Steps()))


async def behind(batcher: Batcher, model: Model, *images: Images, most: int = 4) -> "list[asyncio.Task[Outputs]]":
    """Requests that arrive, in this order, while a call with the image 1 runs, which ends then."""
    first = send(batcher, model, image(1), most=most)
    await asyncio.to_thread(model.inside.wait, 5)
    tasks = [first, *(send(batcher, model, each, most=most) for each in images)]
    await asyncio.sleep(0.05)
    return tasks


def test_what_waits_goes_together_and_each_gets_its_own() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        tasks = await behind(batcher, model, image(2), image(3, 4), image(5), image(6))
        assert batcher.waiting == 4
        model.gate.set()
        found = await asyncio.gather(*tasks)
        assert [one.logits[:, 0].tolist() for one in found] == [[1], [2], [3, 4], [5], [6]]
        assert [one.features[:, 0, 0, 0].tolist() for one in found] == [[1], [2], [3, 4], [5], [6]]
        assert batcher.waiting == 0

    assert walk(story).calls == [[1], [2, 3, 4, 5], [6]]


def test_one_image_a_call_where_more_gain_nothing_but_a_request_stays_whole() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        tasks = await behind(batcher, model, image(2), image(3, 4, 5), image(6), most=1)
        model.gate.set()
        await asyncio.gather(*tasks)

    assert walk(story).calls == [[1], [2], [3, 4, 5], [6]]


def test_images_for_two_models_are_never_mixed() -> None:
    other = Model()
    other.gate.set()

    async def story(batcher: Batcher, model: Model) -> None:
        tasks = await behind(batcher, model, image(2))
        tasks += [send(batcher, other, image(3)), send(batcher, model, image(4))]
        await asyncio.sleep(0.05)
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
        await asyncio.sleep(0.05)
        assert batcher.waiting == 1
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
        began = time.perf_counter()
        await send(batcher, model, image(1))
        assert time.perf_counter() - began < 2

    walk(story, wait_s=20.0)


@pytest.mark.parametrize(("wait_s", "calls"), [(5.0, [[1, 2]]), (0.0, [[1], [2]])])
def test_who_is_on_the_way_is_waited_for(wait_s: float, calls: list[list[int]]) -> None:
    decoding = 1

    async def story(batcher: Batcher, model: Model) -> None:
        nonlocal decoding
        model.gate.set()
        first = send(batcher, model, image(1))
        await asyncio.sleep(0.2)
        decoding = 0
        await asyncio.gather(first, send(batcher, model, image(2)))

    assert walk(story, wait_s=wait_s, coming=lambda: decoding).calls == calls


def test_nobody_is_waited_for_longer_than_set_or_when_the_call_is_full() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.set()
        await send(batcher, model, image(1))
        await send(batcher, model, image(2, 3, 4, 5))

    began = time.perf_counter()
    assert walk(story, wait_s=0.2, coming=lambda: 1).calls == [[1], [2, 3, 4, 5]]
    assert 0.2 <= time.perf_counter() - began < 0.4 + 2


def test_waiting_and_running_are_noted_for_each() -> None:
    steps = Steps()

    async def story(batcher: Batcher, model: Model) -> None:
        await behind(batcher, model)
        task = asyncio.create_task(batcher.submit(model.run, image(2), most=4, steps=steps))
        await asyncio.sleep(0.1)
        model.gate.set()
        await task

    walk(story)
    queue, inference = steps.ended
    assert (queue.name, inference.name) == ("queue", "inference")
    assert queue.ended - queue.began >= 0.1 and queue.ended == inference.began <= inference.ended


def test_a_call_that_fails_is_noted_too() -> None:
    steps = Steps()

    async def story(batcher: Batcher, model: Model) -> None:
        model.gate.set()
        with pytest.raises(ZeroDivisionError):
            await batcher.submit(model.run, image(255), most=4, steps=steps)

    walk(story)
    assert [step.name for step in steps.ended] == ["queue", "inference"]


def test_closing_finishes_what_runs_and_drops_what_waits() -> None:
    async def story(batcher: Batcher, model: Model) -> None:
        tasks = await behind(batcher, model, image(2))
        closing = asyncio.create_task(asyncio.to_thread(batcher.close))
        await asyncio.sleep(0.05)
        model.gate.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await closing
        assert isinstance(found[0], Outputs)
        assert isinstance(found[1], asyncio.CancelledError)

    assert walk(story).calls == [[1]]
