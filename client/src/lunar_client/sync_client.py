"""The client for code that waits."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import httpx

from lunar_client import messages
from lunar_client.errors import LunarError
from lunar_client.messages import Coverage, Image, Language, Method, Render, Target, Views
from lunar_client.outcome import Outcome
from lunar_client.replies import ExplainReply, ModelReply, PredictReply
from lunar_client.retries import Retries


class LunarClient:
    """A client of one service, for several threads; as a context manager it closes its connections.

    key: sent as X-API-Key. language: of names and texts. timeout_s: of one attempt.
    """

    def __init__(
        self,
        base_url: str = "http://localhost:8000",
        *,
        key: str | None = None,
        language: Language | None = None,
        retries: Retries | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        self._http = httpx.Client(**messages.options(base_url, key, timeout_s))
        self._language = language
        self._retries = retries or Retries()

    def predict(self, image: Image, *, tta: Views | None = None, coverage: Coverage | None = None) -> PredictReply:
        """Classify an image: bytes, or the path of a file. Raises LunarError, OSError."""
        request = messages.classification("/predict", image, lang=self._language, tta=tta, coverage=coverage)
        return messages.read(self._send(request), PredictReply)

    def explain(
        self,
        image: Image,
        *,
        tta: Views | None = None,
        coverage: Coverage | None = None,
        method: Method | None = None,
        target: Target | None = None,
        render: Render | None = None,
    ) -> ExplainReply:
        """Classify an image and explain the answer with heat maps. Raises LunarError, OSError."""
        parameters = {"tta": tta, "coverage": coverage, "method": method, "target": target, "render": render}
        request = messages.classification("/explain", image, lang=self._language, **parameters)
        return messages.read(self._send(request), ExplainReply)

    def predict_many(
        self, images: Iterable[Image], *, concurrency: int = 4, tta: Views | None = None
    ) -> Iterator[Outcome]:
        """One outcome for each image, in their order; at most `concurrency` requests at once."""

        def attempt(image: Image) -> Outcome:
            try:
                return Outcome(image, reply=self.predict(image, tta=tta))
            except (LunarError, OSError) as error:
                return Outcome(image, error=error)

        pool = ThreadPoolExecutor(concurrency)
        waiting: deque[Future[Outcome]] = deque()
        try:
            for image in images:
                waiting.append(pool.submit(attempt, image))
                if len(waiting) >= 2 * concurrency:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # who stops early waits for no answer
            pool.shutdown(wait=False, cancel_futures=True)

    def model(self) -> ModelReply:
        """What is being served. Raises LunarError."""
        return messages.read(self._send({"method": "GET", "url": "/model"}), ModelReply)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> "LunarClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, request: dict[str, Any]) -> httpx.Response:
        done = 0
        while True:
            response: httpx.Response | None = None
            try:
                response = self._http.request(**request)
                wait = self._retries.wait_s(response, done=done)
            except httpx.RequestError as error:
                wait = self._retries.wait_s(None, done=done) if messages.may_pass(error) else None
                if wait is None:
                    raise messages.unreachable(error, self._http.base_url) from error
            if response is not None and wait is None:
                return response
            time.sleep(wait or 0)
            done += 1
