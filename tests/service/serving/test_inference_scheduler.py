"""Places and deadlines, with a classifier whose steps take as long as a test wants."""

import asyncio
import os
import threading
from functools import partial
from itertools import count
from typing import Any

import pytest

from inference.domain.model_version import ModelVersion
from inference.imaging.prepared_picture import Preparation, PreparedPicture, prepare_picture
from inference.prediction.classifier import Analysis, Classifier
from service.errors import DeadlineExceeded, Overloaded
from service.observability.metrics import Metrics
from service.observability.request_record import RequestRecord
from service.serving import decoders
from service.serving.decoders import ThreadDecoder
from service.serving.inference_scheduler import InferenceScheduler
from service.serving.served_model import ServedModel
from service.settings import Settings
from tests.support.lesion_images import lesion
from tests.support.waiting import LIMIT_S, wait_in_loop

STEPS = {"prepare": (decoders, "prepare_picture"), "run": (Classifier, "run"), "analyse": (Classifier, "analyse")}


@pytest.fixture
def served(fake_classifier: Classifier) -> ServedModel:
    return ServedModel(fake_classifier, ModelVersion("fake", "1", None, "", "test"))


@pytest.fixture
def one_image_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


async def ask(scheduler: InferenceScheduler, served: ServedModel, *, explained: bool = True) -> str:
    from inference.explainers.class_maps import ExplanationRequest

    explanation = ExplanationRequest() if explained else None
    with scheduler.admitted():
        analysis = await scheduler.schedule(
            served, lesion(), tta=1, explanation=explanation, record=RequestRecord(None)
        )
    return analysis.prediction.code


def test_more_than_may_wait_are_refused_at_once_and_places_come_free(
    served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, run = threading.Event(), Classifier.run
    monkeypatch.setattr(Classifier, "run", lambda self, batch: (gate.wait(LIMIT_S), run(self, batch))[1])

    async def walk() -> None:
        metrics = Metrics()
        scheduler = InferenceScheduler(Settings(max_waiting=2, request_timeout_s=LIMIT_S), metrics, ThreadDecoder())
        accepted = [asyncio.create_task(ask(scheduler, served)) for _ in range(3)]
        taken = partial(metrics.registry.get_sample_value, "lunar_places_taken")
        await wait_in_loop(lambda: taken() == 3, "every place is taken")
        with pytest.raises(Overloaded, match="2 requests are waiting"):
            await ask(scheduler, served)  # at once: nobody goes on before the gate is open
        gate.set()
        assert len(set(await asyncio.gather(*accepted))) == 1
        for _ in range(50):  # no place is lost, however fast an answer is
            await ask(scheduler, served)
        await scheduler.close()

    asyncio.run(walk())


@pytest.mark.parametrize("step", STEPS)
def test_the_deadline_holds_in_every_step(served: ServedModel, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step ends only after the answer. If a busy machine does not even come to it, the deadline is doubled."""
    owner, name = STEPS[step]
    original = getattr(owner, name)
    begun, told = threading.Event(), threading.Event()

    def held(*args: object, **kwargs: object) -> object:
        begun.set()
        told.wait(LIMIT_S)
        return original(*args, **kwargs)

    async def walk(deadline_s: float) -> None:
        scheduler = InferenceScheduler(Settings(request_timeout_s=deadline_s), Metrics(), ThreadDecoder())
        with pytest.raises(DeadlineExceeded, match=f"{deadline_s:g} s"):
            await ask(scheduler, served)
        told.set()
        await scheduler.close()

    monkeypatch.setattr(owner, name, held)
    for doubled in count():
        told.clear()
        asyncio.run(walk(0.125 * 2**doubled))
        if begun.is_set():
            break


@pytest.mark.usefixtures("one_image_thread")
def test_an_image_that_is_cancelled_while_it_waits_is_never_decoded(
    served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun, prepared = threading.Event(), threading.Event(), []

    def held(data: bytes, preparation: Preparation) -> PreparedPicture:
        prepared.append(data)
        begun.set()
        assert gate.wait(LIMIT_S)
        return prepare_picture(data, preparation)

    async def walk() -> None:
        metrics = Metrics()
        scheduler = InferenceScheduler(Settings(request_timeout_s=LIMIT_S), metrics, ThreadDecoder())
        taken = partial(metrics.registry.get_sample_value, "lunar_places_taken")
        first = asyncio.create_task(ask(scheduler, served))
        assert await asyncio.to_thread(begun.wait, LIMIT_S)
        second = asyncio.create_task(ask(scheduler, served))
        await wait_in_loop(lambda: taken() == 2, "the second waits for the thread")
        second.cancel()
        await wait_in_loop(lambda: taken() == 1, "the second has left although the thread is busy")
        assert second.cancelled()
        third = asyncio.create_task(ask(scheduler, served))
        gate.set()
        assert await first == await third
        await scheduler.close()

    monkeypatch.setattr(decoders, "prepare_picture", held)
    asyncio.run(walk())
    assert len(prepared) == 2, "the first and the third"


@pytest.mark.usefixtures("one_image_thread")
def test_a_prediction_does_not_wait_for_the_drawings_of_others(
    served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun, analyse = threading.Event(), threading.Event(), Classifier.analyse

    def held(self: Classifier, *asked: Any) -> Analysis:
        if len(asked) == 3:  # an explanation too
            begun.set()
            assert gate.wait(LIMIT_S)
        return analyse(self, *asked)

    async def walk() -> None:
        scheduler = InferenceScheduler(Settings(request_timeout_s=LIMIT_S), Metrics(), ThreadDecoder())
        drawn = asyncio.create_task(ask(scheduler, served))
        assert await asyncio.to_thread(begun.wait, LIMIT_S)
        await ask(scheduler, served, explained=False)
        assert not drawn.done()
        gate.set()
        await drawn
        await scheduler.close()

    monkeypatch.setattr(Classifier, "analyse", held)
    asyncio.run(walk())
