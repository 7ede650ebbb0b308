"""A second version, compared on live requests: it answers a share of them again, after the answer was sent."""

import asyncio
import logging
import random
import time

import numpy as np

from inference.classifier import Explanation, Prediction
from inference.views import Views
from service.champion import Champion
from service.following import Serving
from service.lane import Lane
from service.metrics import Metrics
from service.settings import Settings

log = logging.getLogger(__name__)


class Shadow:
    """Counts how often the shadow agrees, how far its probabilities are, and how long it needs. Nobody sees its answer.

    One request at a time in a thread of its own; what comes meanwhile is skipped, so that no work piles up.
    """

    def __init__(self, champion: Champion, settings: Settings, metrics: Metrics) -> None:
        self._champion, self._metrics = champion, metrics
        self._share, self._max_pixels = settings.shadow_share, settings.max_pixels
        self._lane = Lane(workers=1, name="shadow")
        self._comparing: asyncio.Task[None] | None = None

    async def offer(self, data: bytes, found: Prediction | Explanation, tta: Views) -> None:
        """To be called when the answer has been sent; returns at once. `data` are the bytes of the image."""
        serving = self._champion.shadow()
        if serving is None or random.random() >= self._share:  # noqa: S311 - a sample, no secret  # nosec B311
            return
        if self._comparing and not self._comparing.done():
            self._metrics.shadow_requests.labels("skipped").inc()
            return
        prediction = found.prediction if isinstance(found, Explanation) else found
        self._comparing = asyncio.create_task(self._compare(serving, data, prediction, tta))

    async def close(self) -> None:
        """Finish the comparison that runs."""
        await asyncio.to_thread(self._lane.close)

    async def _compare(self, serving: Serving, data: bytes, prediction: Prediction, tta: Views) -> None:
        try:
            began = time.perf_counter()
            other = await self._lane.submit(self._predict, serving, data, tta)
        except Exception as error:
            log.warning("the shadow failed", extra={"version": serving.version.version, "reason": repr(error)})
            self._metrics.shadow_requests.labels("failed").inc()
            return
        self._metrics.shadow_seconds.observe(time.perf_counter() - began)
        self._metrics.shadow_distance.observe(float(np.abs(other.probabilities - prediction.probabilities).sum() / 2))
        self._metrics.shadow_requests.labels("agreed" if other.code == prediction.code else "differed").inc()

    def _predict(self, serving: Serving, data: bytes, tta: Views) -> Prediction:
        prepared = serving.classifier.prepare(data, tta=tta, max_pixels=self._max_pixels)
        return serving.classifier.predict(prepared, serving.classifier.run(prepared.batch))
