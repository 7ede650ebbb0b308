"""Shadow comparison: a second version answers a share of the live requests again, after the response was sent."""

import asyncio
import logging
import random
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from inference.imaging.prepared_picture import PreparedPicture
from inference.imaging.test_time_augmentation import ViewCount
from inference.prediction.classifier import Prediction, make_views
from service.observability.metrics import Metrics
from service.serving.decoders import Decoder
from service.serving.model_manager import ModelManager
from service.serving.served_model import ServedModel
from service.settings import Settings

log = logging.getLogger(__name__)


class Shadow:
    """Measures agreement, distance of the probabilities, and time. No client sees the shadow's answers.

    It compares one request at a time in its own thread and skips the requests that arrive meanwhile.
    """

    def __init__(self, model_manager: ModelManager, settings: Settings, metrics: Metrics, decoder: Decoder) -> None:
        self._model_manager, self._metrics, self._decoder = model_manager, metrics.shadow, decoder
        self._share, self._max_pixels = settings.shadow_share, settings.max_pixels
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shadow")
        self._comparing: asyncio.Task[None] | None = None

    async def offer(self, data: bytes, prediction: Prediction, tta: ViewCount) -> None:
        """Start a comparison and return at once; call it after the response. `data` are the bytes of the image."""
        served = self._model_manager.shadow()
        if served is None or random.random() >= self._share:  # noqa: S311 - a sample, no secret  # nosec B311
            return
        if self._comparing and not self._comparing.done():
            self._metrics.skipped()
            return
        self._comparing = asyncio.create_task(self._compare(served, data, prediction, tta))

    async def close(self) -> None:
        """Drop the comparison; its step that runs in the thread is finished."""
        if self._comparing:
            self._comparing.cancel()
            await asyncio.wait([self._comparing])
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    async def _compare(self, served: ServedModel, data: bytes, prediction: Prediction, tta: ViewCount) -> None:
        loop, began = asyncio.get_running_loop(), time.perf_counter()
        try:
            preparation = served.classifier.preparation(side=0, max_pixels=self._max_pixels)
            picture = await self._decoder.prepare(data, preparation)
            other = await loop.run_in_executor(self._thread, _predict, served, picture, tta)
        except Exception as error:
            log.warning("the shadow failed", extra={"version": served.version.version, "reason": repr(error)})
            self._metrics.failed()
            return
        self._metrics.compared(
            agreed=other.code == prediction.code,
            distance=float(np.abs(other.probabilities - prediction.probabilities).sum() / 2),
            seconds=time.perf_counter() - began,
        )


def _predict(served: ServedModel, picture: PreparedPicture, tta: ViewCount) -> Prediction:
    prepared = make_views(picture, tta)
    return served.classifier.predict(prepared, served.classifier.run(prepared.batch))
