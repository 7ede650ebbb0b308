"""The client for asynchronous code."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any

import httpx

from lunar_client import messages
from lunar_client.errors import LunarError
from lunar_client.messages import Coverage, Image, Language, Method, Render, Target, Views
from lunar_client.outcome import Outcome
from lunar_client.replies import ExplainReply, ModelReply, PredictReply
from lunar_client.retries import Retries


class AsyncLunarClient:
    """A client of one service; as an asynchronous context manager it closes its connections.

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
        self._http = httpx.AsyncClient(**messages.options(base_url, key, timeout_s))
        self._language = language
        self._retries = retries or Retries()

    async def predict(
        self, image: Image, *, tta: Views | None = None, coverage: Coverage | None = None
    ) -> PredictReply:
        """Classify an image: bytes, or the path of a file. Raises LunarError, OSError."""
        parameters = {"tta": tta, "coverage": coverage}
        request = await asyncio.to_thread(messages.classification, "/predict", image, lang=self._language, **parameters)
        return messages.read(await self._send(request), PredictReply)

    async def explain(
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
        request = await asyncio.to_thread(messages.classification, "/explain", image, lang=self._language, **parameters)
        return messages.read(await self._send(request), ExplainReply)

    async def predict_many(
        self, images: Iterable[Image], *, concurrency: int = 4, tta: Views | None = None
    ) -> AsyncIterator[Outcome]:
        """One outcome for each image, in their order; at most `concurrency` requests at once."""

        async def attempt(image: Image) -> Outcome:
            try:
                return Outcome(image, reply=await self.predict(image, tta=tta))
            except (LunarError, OSError) as error:
                return Outcome(image, error=error)

        waiting: deque[asyncio.Task[Outcome]] = deque()
        try:
            for image in images:
                waiting.append(asyncio.create_task(attempt(image)))
                if len(waiting) >= concurrency:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()

    async def model(self) -> ModelReply:
        """What is being served. Raises LunarError."""
        return messages.read(await self._send({"method": "GET", "url": "/model"}), ModelReply)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncLunarClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(self, request: dict[str, Any]) -> httpx.Response:
        done = 0
        while True:
            response: httpx.Response | None = None
            try:
                response = await self._http.request(**request)
                wait = self._retries.wait_s(response, done=done)
            except httpx.RequestError as error:
                wait = self._retries.wait_s(None, done=done) if messages.may_pass(error) else None
                if wait is None:
                    raise messages.unreachable(error, self._http.base_url) from error
            if response is not None and wait is None:
                return response
            await asyncio.sleep(wait or 0)
            done += 1
