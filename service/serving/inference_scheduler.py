"""Schedules the steps of one analysis: prepare in decoders, run in the batcher, draw heat maps in threads."""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import anyio

from inference.explainers.class_maps import ExplanationRequest
from inference.imaging.test_time_augmentation import ViewCount
from inference.prediction.classifier import Analysis, Prepared, make_views
from inference.runtimes import Outputs
from service.errors import DeadlineExceeded, Overloaded
from service.observability.metrics import Metrics
from service.observability.request_record import RequestRecord
from service.serving.batching import Batcher
from service.serving.decoders import Decoder
from service.serving.served_model import ServedModel
from service.settings import Settings


class InferenceScheduler:
    """Bounds the requests that are present at once and runs the classifier's steps. Knows neither HTTP nor JSON."""

    def __init__(self, settings: Settings, metrics: Metrics, decoder: Decoder) -> None:
        self._settings, self._metrics, self._decoder = settings, metrics, decoder
        self._model = Batcher(wait_s=settings.batch_wait_ms / 1000, coming=lambda: self._preparing)
        # Drawing has its own threads, so that it never delays the health checks. A call that is cancelled while it
        # waits for one of them is never started: docs/decisions/0016-own-code-or-library.md.
        self._images = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="image")
        self._places = settings.max_waiting + 1
        self._present = self._preparing = 0
        metrics.queue.watch(
            places=lambda: self._places, taken=lambda: self._present, waiting=lambda: self._model.waiting
        )

    def check_places(self) -> None:
        """Raises Overloaded if every place is taken."""
        if self._present >= self._places:
            raise Overloaded(f"{self._settings.max_waiting} requests are waiting already.")

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place and a deadline for one request, from its complete body to its answer.

        Raises Overloaded at once if every place is taken, DeadlineExceeded at the deadline.
        """
        self.check_places()
        self._present += 1
        try:
            with anyio.fail_after(self._settings.request_timeout_s):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(f"No answer within {self._settings.request_timeout_s:g} s.") from error
        finally:
            self._present -= 1

    async def schedule(
        self,
        served: ServedModel,
        data: bytes,
        *,
        tta: ViewCount,
        explanation: ExplanationRequest | None,
        record: RequestRecord,
        counted: bool = True,
    ) -> Analysis:
        """Analyse an image file; notes image, model and timings in the record. Raises ImageError.

        `counted` is false for an image that must not enter the metrics of answers.
        """
        loop, classifier = asyncio.get_running_loop(), served.classifier
        record.model, record.version = served.version.name, served.version.version
        with self._counted_as_preparing():
            side = explanation.side if explanation else 0
            prepared = await self._prepare(served, data, tta=tta, side=side, record=record)
        max_batch_size = self._settings.batch_size or classifier.runtime.batch
        outputs = await self._model.submit(
            classifier.run, prepared.batch, max_batch_size=max_batch_size, steps=record.steps
        )
        if explanation is None:
            analysis = classifier.analyse(prepared, outputs)
        else:
            analysis = await loop.run_in_executor(
                self._images, _explain, served, prepared, outputs, explanation, record
            )
        analysis = analysis.with_warning("stale_model") if served.stale else analysis
        if counted:
            self._metrics.answers.noted(served.version, analysis.prediction)
        return analysis

    @contextmanager
    def _counted_as_preparing(self) -> Iterator[None]:
        self._preparing += 1
        try:
            yield
        finally:
            self._preparing -= 1

    async def _prepare(
        self, served: ServedModel, data: bytes, *, tta: ViewCount, side: int, record: RequestRecord
    ) -> Prepared:
        preparation = served.classifier.preparation(side=side, max_pixels=self._settings.max_pixels)
        with record.steps.timed("decode"):
            # A hash takes a while, so not in the event loop, and not behind the drawings of others.
            image = await asyncio.to_thread(record.add, data) if record.fingerprint else record.add(data)
            picture = await self._decoder.prepare(data, preparation)
        image.width, image.height = picture.width, picture.height
        return make_views(picture, tta)

    async def close(self) -> None:
        """Finish the calls that run and drop those that wait."""
        await asyncio.to_thread(self._model.close)
        await asyncio.to_thread(self._images.shutdown, cancel_futures=True)


def _explain(
    served: ServedModel, prepared: Prepared, outputs: Outputs, explanation: ExplanationRequest, record: RequestRecord
) -> Analysis:
    with record.steps.timed("explain"):
        return served.classifier.analyse(prepared, outputs, explanation)
