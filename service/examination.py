"""One image's way through the model: prepare, run, interpret, each in its own threads, with a place and a deadline."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from inference.classifier import Explanation, Prediction, Prepared
from inference.explanation import Question
from inference.views import Views
from service.audit import Record
from service.batching import Lane
from service.errors import DeadlineExceeded, Overloaded
from service.following import Serving
from service.settings import Settings


class Examiner:
    """Schedules the classifier's steps; knows neither HTTP nor JSON."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._model = Lane(workers=1, name="model")
        # Decoding and drawing get threads of their own, so that they cannot crowd out the health checks.
        self._images = Lane(workers=os.cpu_count() or 1, name="image")
        self._present = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place and a deadline for one request, from its first byte to its answer.

        Raises Overloaded at once when every place is taken, DeadlineExceeded when the time is up.
        """
        if self._present > self._settings.max_waiting:
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
        self, serving: Serving, data: bytes, *, tta: Views, question: Question | None, record: Record
    ) -> Prediction | Explanation:
        """Predict, or explain if there is a question; notes image and model in the record. Raises ImageError."""
        classifier = serving.classifier
        record.model, record.version = serving.version.name, serving.version.version
        prepared = await self._images.submit(self._prepare, serving, data, tta=tta, record=record)
        outputs = await self._model.submit(classifier.run, prepared.batch)
        found: Prediction | Explanation
        if question is None:
            found = classifier.predict(prepared, outputs)
        else:
            found = await self._images.submit(classifier.explain, prepared, outputs, question)
        return found.warned("stale_model") if serving.stale else found

    def _prepare(self, serving: Serving, data: bytes, *, tta: Views, record: Record) -> Prepared:
        image = record.add(data)
        prepared = serving.classifier.prepare(data, tta=tta, max_pixels=self._settings.max_pixels)
        image.width, image.height = prepared.width, prepared.height
        return prepared

    async def close(self) -> None:
        """Finish the calls that run."""
        await asyncio.to_thread(self._model.close)
        await asyncio.to_thread(self._images.close)
