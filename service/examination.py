"""One image's way through the model: prepare, run, interpret, each in its own threads, with a place and a deadline."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from inference.classifier import Explanation, Prediction
from inference.explanation import Question
from inference.views import Views
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
        self, serving: Serving, data: bytes, *, tta: Views, question: Question | None
    ) -> Prediction | Explanation:
        """Predict, or explain if there is a question. Raises ImageError."""
        classifier, limit = serving.classifier, self._settings.max_pixels
        prepared = await self._images.submit(classifier.prepare, data, tta=tta, max_pixels=limit)
        outputs = await self._model.submit(classifier.run, prepared.batch)
        found: Prediction | Explanation
        if question is None:
            found = classifier.predict(prepared, outputs)
        else:
            found = await self._images.submit(classifier.explain, prepared, outputs, question)
        return found.warned("stale_model") if serving.stale else found

    async def close(self) -> None:
        """Finish the calls that run."""
        await asyncio.to_thread(self._model.close)
        await asyncio.to_thread(self._images.close)
