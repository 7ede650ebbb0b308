"""One image's way through the model: prepare, run, interpret, each in its own threads, all under one deadline."""

import asyncio
import os

import anyio
from anyio import CapacityLimiter, to_thread

from inference.classifier import Explanation, Prediction
from inference.explanation import Question
from inference.views import Views
from service.batching import Lane
from service.champion import Serving
from service.errors import DeadlineExceeded
from service.settings import Settings


class Examiner:
    """Schedules the classifier's steps; knows neither HTTP nor JSON."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lane = Lane(max_waiting=settings.max_waiting)
        # Decoding and drawing get threads of their own, so that they cannot crowd out the health checks.
        self._threads = CapacityLimiter(os.cpu_count() or 1)

    async def examine(
        self, serving: Serving, data: bytes, *, tta: Views, question: Question | None
    ) -> Prediction | Explanation:
        """Predict, or explain if there is a question. Raises ImageError, Overloaded, DeadlineExceeded."""
        try:
            with anyio.fail_after(self._settings.request_timeout_s):
                return await self._examine(serving, data, tta, question)
        except TimeoutError as error:
            raise DeadlineExceeded(f"No answer within {self._settings.request_timeout_s:g} s.") from error

    async def _examine(
        self, serving: Serving, data: bytes, tta: Views, question: Question | None
    ) -> Prediction | Explanation:
        classifier, limit = serving.classifier, self._settings.max_pixels
        prepared = await to_thread.run_sync(
            lambda: classifier.prepare(data, tta=tta, max_pixels=limit), limiter=self._threads
        )
        outputs = await self._lane.submit(classifier.run, prepared.batch)
        if question is None:
            return classifier.predict(prepared, outputs)
        return await to_thread.run_sync(lambda: classifier.explain(prepared, outputs, question), limiter=self._threads)

    async def close(self) -> None:
        """Finish the call that runs."""
        await asyncio.to_thread(self._lane.close)
