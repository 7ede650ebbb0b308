"""One owner of a request with images: read it, admit it, take the served model, schedule, cancel on disconnect."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import BackgroundTasks, Request

from inference.bundle.prediction_sets import COVERAGE
from inference.domain.taxonomy import Language
from inference.explainers.class_maps import ExplanationRequest
from inference.imaging.test_time_augmentation import ViewCount
from inference.prediction.classifier import Analysis
from service.http.disconnect import cancel_on_disconnect
from service.http.upload_bounds import Upload, Uploads
from service.serving.inference_scheduler import InferenceScheduler
from service.serving.model_manager import ModelManager
from service.serving.served_model import ServedModel
from service.serving.shadow import Shadow

Content = TypeVar("Content")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class References:
    """Of whom and of which study the image is, as FHIR references, by the client's own word."""

    subject: str | None = None
    study: str | None = None


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One image file and what is asked about it; no language means that the request's headers decide."""

    data: bytes
    tta: ViewCount
    explanation: ExplanationRequest | None
    language: Language | None = None
    coverage: float = COVERAGE
    references: References = References()


@dataclass(frozen=True, slots=True)
class Answer(Generic[Content, Result]):
    """What was asked, its result, and the model that gave it."""

    content: Content
    result: Result
    served: ServedModel


class RequestAnalyzer:
    """Runs the same steps for the API, the page and /invocations."""

    def __init__(
        self, model_manager: ModelManager, scheduler: InferenceScheduler, shadow: Shadow, uploads: Uploads
    ) -> None:
        self._model_manager, self._scheduler, self._shadow = model_manager, scheduler, shadow
        self._uploads = uploads

    async def run(
        self,
        request: Request,
        *,
        read: Callable[[Upload], Awaitable[Content]],
        work: Callable[[ServedModel, Content], Coroutine[Any, Any, Result]],
    ) -> Answer[Content, Result]:
        """`work` on the served model and on what `read` returns, with one place in the queue and one deadline.

        `read` has to read the whole body, or to end the upload. The place is taken, and the deadline begins, once the
        body is complete, so that slow uploads keep nobody else waiting. Raises Overloaded, DeadlineExceeded, NoModel,
        ClientDisconnect, and what `read` and `work` raise.
        """
        self._scheduler.check_places()  # refuses before the body is sent, where that is known already
        with self._uploads.open(request.state.client_name) as upload:
            content = await read(upload)
            with self._scheduler.admitted():
                served = self._model_manager.current()
                result = await cancel_on_disconnect(request, work(served, content))
                return Answer(content, result, served)

    async def analyse(
        self,
        request: Request,
        *,
        read: Callable[[Upload], Awaitable[ImageRequest]],
        background: BackgroundTasks,
        counted: bool = True,
    ) -> Answer[ImageRequest, Analysis]:
        """Analyse one image file; after the response it is offered to the shadow. Raises ImageError too.

        `counted` is false for an image that must not enter the metrics of answers.
        """

        async def work(served: ServedModel, asked: ImageRequest) -> Analysis:
            analysis = await self._scheduler.schedule(
                served,
                asked.data,
                tta=asked.tta,
                explanation=asked.explanation,
                record=request.state.record,
                counted=counted,
            )
            background.add_task(self._shadow.offer, asked.data, analysis.prediction, asked.tta)
            return analysis

        return await self.run(request, read=read, work=work)
