"""One image's way through the model: prepare, run, interpret, each in its own threads, with a place and a deadline."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from inference.classifier import Classifier, Explanation, Prediction, Prepared
from inference.explanation import Question
from inference.runtimes import Outputs
from inference.views import Views
from service.audit import Record
from service.batching import Batcher
from service.errors import DeadlineExceeded, Overloaded
from service.following import Serving
from service.lane import Lane
from service.metrics import Metrics
from service.settings import Settings
from service.steps import Steps


class Examiner:
    """Schedules the classifier's steps; knows neither HTTP nor JSON."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._model = Batcher(wait_s=settings.batch_wait_ms / 1000, coming=lambda: self._preparing)
        # Decoding and drawing get threads of their own, so that they cannot crowd out the health checks.
        self._images = Lane(workers=os.cpu_count() or 1, name="image")
        self._present = self._preparing = 0
        metrics.watch("lunar_places", "Requests with images that may be present at once", lambda: self._places)
        metrics.watch("lunar_places_taken", "Requests with images that are present", lambda: self._present)
        metrics.watch("lunar_queue_depth", "Requests that wait for the model", lambda: self._model.waiting)

    @property
    def _places(self) -> int:
        return self._settings.max_waiting + 1

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place and a deadline for one request, from its first byte to its answer.

        Raises Overloaded at once when every place is taken, DeadlineExceeded when the time is up.
        """
        if self._present >= self._places:
            raise Overloaded(f"{self._settings.max_waiting} requests are waiting already.")
        self._present += 1
        try:
            with anyio.fail_after(self._settings.request_timeout_s):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(f"No answer within {self._settings.request_timeout_s:g} s.") from error
        finally:
            self._present -= 1

    async def examine(
        self,
        serving: Serving,
        data: bytes,
        *,
        tta: Views,
        question: Question | None,
        record: Record,
        counted: bool = True,
    ) -> Prediction | Explanation:
        """Predict, or explain if there is a question; notes image, model and steps in the record. Raises ImageError.

        What is not somebody's image is not to be `counted` among the answers.
        """
        classifier = serving.classifier
        record.model, record.version = serving.version.name, serving.version.version
        with self._on_its_way():
            prepared = await self._images.submit(self._prepare, serving, data, tta=tta, record=record)
        most = self._settings.batch_size or classifier.runtime.batch
        outputs = await self._model.submit(classifier.run, prepared.batch, most=most, steps=record.steps)
        found: Prediction | Explanation
        if question is None:
            found = classifier.predict(prepared, outputs)
        else:
            found = await self._images.submit(_explain, classifier, prepared, outputs, question, steps=record.steps)
        found = found.warned("stale_model") if serving.stale else found
        if counted:
            self._metrics.found(serving.version, found.prediction if isinstance(found, Explanation) else found)
        return found

    @contextmanager
    def _on_its_way(self) -> Iterator[None]:
        self._preparing += 1
        try:
            yield
        finally:
            self._preparing -= 1

    def _prepare(self, serving: Serving, data: bytes, *, tta: Views, record: Record) -> Prepared:
        with record.steps.timed("decode"):
            image = record.add(data)
            prepared = serving.classifier.prepare(data, tta=tta, max_pixels=self._settings.max_pixels)
        image.width, image.height = prepared.width, prepared.height
        return prepared

    async def close(self) -> None:
        """Finish the calls that run."""
        await asyncio.to_thread(self._model.close)
        await asyncio.to_thread(self._images.close)


def _explain(
    classifier: Classifier, prepared: Prepared, outputs: Outputs, question: Question, *, steps: Steps
) -> Explanation:
    with steps.timed("explain"):
        return classifier.explain(prepared, outputs, question)
