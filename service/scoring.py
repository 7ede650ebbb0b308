"""Scores the images of one call, one after another, for the protocols that carry several."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from fastapi import Request

from inference.imaging.errors import ImageError
from inference.mlflow_model.scoring import Row, ScoringParameters, answer, read_cell, refusal
from service.analysis import Answer
from service.components import Components
from service.errors import TooManyImages
from service.http.upload_bounds import Upload
from service.serving.served_model import ServedModel

MAX_IMAGES = 100  # about what the default deadline allows a large network on two cores: three a second
_MAX_COMMAS = 100 * MAX_IMAGES


class ScoringCall(Protocol):
    """Cells with an image each, which are not checked yet, and the parameters of scoring."""

    @property
    def cells(self) -> tuple[object, ...]:
        """At most MAX_IMAGES."""

    @property
    def parameters(self) -> ScoringParameters:
        """For all of them."""


Call = TypeVar("Call", bound=ScoringCall)


def check_values(text: bytes) -> None:
    """Every image is one value of the JSON. Raises TooManyImages for far more, whose parsing would cost memory."""
    if text.count(b",") > _MAX_COMMAS:
        raise TooManyImages(f"The call has too many values; allowed: {MAX_IMAGES} images.")


async def score(
    request: Request, components: Components, *, read: Callable[[Upload], Awaitable[Call]]
) -> Answer[Call, list[Row]]:
    """One row an image, under one place in the queue and one deadline; raises what RequestAnalyzer.run does.

    A bad image gets a row that says why.
    """

    async def score_cell(served: ServedModel, cell: object, parameters: ScoringParameters) -> Row:
        try:
            data = await asyncio.to_thread(read_cell, cell)
            analysis = await components.scheduler.schedule(
                served, data, tta=parameters.tta, explanation=parameters.explanation, record=request.state.record
            )
        except ImageError as error:
            return refusal(error)
        return answer(analysis)

    async def score_all(served: ServedModel, call: Call) -> list[Row]:
        return [await score_cell(served, cell, call.parameters) for cell in call.cells]

    return await components.analyzer.run(request, read=read, work=score_all)
