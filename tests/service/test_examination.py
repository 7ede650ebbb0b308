"""Places and deadlines, with a classifier whose steps take as long as a test wants."""

import asyncio
import threading
import time

import pytest

from inference.classifier import Classifier
from inference.registry import Version
from service.audit import Record
from service.errors import DeadlineExceeded, Overloaded
from service.examination import Examiner
from service.following import Serving
from service.metrics import Metrics
from service.settings import Settings
from tests.service.conftest import lesion

SLOW_STEPS = ("prepare", "run", "explain")


@pytest.fixture
def serving(fake_classifier: Classifier) -> Serving:
    return Serving(fake_classifier, Version("fake", "1", None, "", "test"))


async def ask(examiner: Examiner, serving: Serving) -> str:
    from inference.explanation import Question

    with examiner.admitted():
        found = await examiner.examine(serving, lesion(), tta=1, question=Question(), record=Record(lambda _: None))
    return found.prediction.code


def test_more_than_may_wait_are_refused_at_once_and_places_come_free(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, run = threading.Event(), Classifier.run
    monkeypatch.setattr(Classifier, "run", lambda self, batch: (gate.wait(5), run(self, batch))[1])

    async def walk() -> None:
        examiner = Examiner(Settings(max_waiting=2), Metrics())
        accepted = [asyncio.create_task(ask(examiner, serving)) for _ in range(3)]
        await asyncio.sleep(0.2)
        began = time.perf_counter()
        with pytest.raises(Overloaded, match="2 requests are waiting"):
            await ask(examiner, serving)
        assert time.perf_counter() - began < 0.05
        gate.set()
        assert len(set(await asyncio.gather(*accepted))) == 1
        for _ in range(50):  # no place is lost, however fast an answer is
            await ask(examiner, serving)
        await examiner.close()

    asyncio.run(walk())


@pytest.mark.parametrize("step", SLOW_STEPS)
def test_the_deadline_holds_in_every_step(serving: Serving, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = getattr(Classifier, step)
    monkeypatch.setattr(Classifier, step, lambda *args, **kwargs: (time.sleep(0.6), original(*args, **kwargs))[1])

    async def walk() -> None:
        examiner = Examiner(Settings(request_timeout_s=0.15), Metrics())
        began = time.perf_counter()
        with pytest.raises(DeadlineExceeded, match=r"0\.15 s"):
            await ask(examiner, serving)
        assert time.perf_counter() - began < 0.4
        await examiner.close()

    asyncio.run(walk())
