"""Problem documents (RFC 9457): one table of exceptions and one renderer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from inference.imaging.errors import ImageError, ImageTooLarge, UnreadableImage, UnsupportedFormat
from service import errors

LONGEST_DETAIL = 1000  # characters
HTTP = "http"  # the slug of what the router refuses: an unknown path, a wrong method


@dataclass(frozen=True, slots=True)
class Problem:
    """One row: status, last part of the type URN, title, and after how many seconds to try again."""

    status: int
    slug: str
    title: str
    retry_after: int | None = None

    @property
    def type(self) -> str:
        """A URN; what the router refuses has no type of its own (RFC 9457, section 4.2.1)."""
        return "about:blank" if self.slug == HTTP else f"urn:lunar:problem:{self.slug}"


class ProblemReply(BaseModel):
    """Every error: RFC 9457, application/problem+json."""

    type: str
    title: str
    status: int
    detail: str | None = None
    request_id: str


# In OpenAPI: the schema of an error answer, which service.api.openapi_document adds, and the id of every example.
_PROBLEM_JSON = "application/problem+json"
_REPLY = {"$ref": f"#/components/schemas/{ProblemReply.__name__}"}
EXAMPLE_ID = "14e5f9959a9946a19daf517d964671c2"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One problem in one response: the row, what exactly happened, and the headers that the response carries.

    detail: in English. cause, facts: the same for other languages; see ImageError.
    """

    kind: Problem
    detail: str | None
    request_id: str
    headers: Mapping[str, str]
    cause: str | None = None
    facts: Mapping[str, str | float] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """Of the response."""
        return self.kind.status

    @property
    def retry_after(self) -> str | None:
        """When to try again, in seconds."""
        return self.headers.get("Retry-After")

    def reply(self) -> ProblemReply:
        """The document."""
        return ProblemReply(
            type=self.kind.type,
            title=self.kind.title,
            status=self.status,
            detail=self.detail or None,
            request_id=self.request_id,
        )


PROBLEMS: dict[type[Exception], Problem] = {
    errors.NoImage: Problem(400, "no-image", "No image in the request"),
    errors.SeveralImages: Problem(400, "several-images", "More than one image in the request"),
    errors.BrokenUpload: Problem(400, "broken-upload", "The multipart body cannot be parsed"),
    errors.NotAcceptable: Problem(406, "not-acceptable", "The answer has no such representation"),
    errors.SlowUpload: Problem(408, "slow-upload", "The upload was too slow"),
    errors.InvalidScoringRequest: Problem(400, "invalid-frame", "The body is not in one of MLflow's scoring formats"),
    errors.InvalidInference: Problem(400, "invalid-inference", "The body does not follow the Open Inference Protocol"),
    errors.UnknownModel: Problem(404, "unknown-model", "No such model is in service"),
    errors.TooManyImages: Problem(413, "too-many-images", "Too many images in one call"),
    errors.NotJson: Problem(415, "not-json", "The body is not declared as JSON"),
    errors.BodyTooLarge: Problem(413, "body-too-large", "The upload has too many bytes"),
    ImageTooLarge: Problem(413, "image-too-large", "The image has too many pixels"),
    UnsupportedFormat: Problem(415, "unsupported-format", "Not an image of an accepted format"),
    UnreadableImage: Problem(422, "unreadable-image", "The image cannot be read"),
    RequestValidationError: Problem(422, "invalid-parameter", "A parameter is unknown or has no allowed value"),
    errors.UnknownHost: Problem(400, "unknown-host", "The Host header is not allowed"),
    errors.MissingKey: Problem(401, "missing-key", "An API key is required"),
    errors.UnknownKey: Problem(401, "unknown-key", "The API key is not known"),
    errors.ExpiredPageSession: Problem(401, "expired-visit", "The page was opened too long ago"),
    errors.Forbidden: Problem(403, "forbidden", "The API key does not permit this"),
    errors.CrossSite: Problem(403, "cross-site", "Another site caused the request"),
    errors.RateLimited: Problem(429, "rate-limited", "Too many requests in a short time"),
    errors.Overloaded: Problem(503, "overloaded", "Too many requests at once", retry_after=2),
    errors.DeadlineExceeded: Problem(503, "deadline-exceeded", "The answer took too long", retry_after=5),
    errors.NoModel: Problem(503, "no-model", "No model is in service yet", retry_after=10),
    errors.RefusedVersion: Problem(409, "refused-version", "The registered version failed its verification"),
    errors.NoRegistry: Problem(503, "no-registry", "The model registry does not answer", retry_after=15),
}


# Groups of rows, for the middleware and for OpenAPI.
OPERATION = (errors.RefusedVersion, errors.NoRegistry)  # of /admin
SCORING = (errors.InvalidScoringRequest, errors.TooManyImages, errors.NotJson)  # of /invocations
ACCESS = (  # of every path that needs a key
    errors.MissingKey,
    errors.UnknownKey,
    errors.ExpiredPageSession,
    errors.Forbidden,
    errors.CrossSite,
    errors.RateLimited,
)
OPEN_INFERENCE = (errors.InvalidInference, errors.UnknownModel)  # of /v2
# A browser never causes them on the page.
PROGRAMS = (errors.UnknownHost, errors.UnknownKey, errors.Forbidden, errors.NotAcceptable)
ELSEWHERE = OPERATION + SCORING + OPEN_INFERENCE + PROGRAMS  # neither an upload nor the page causes them
INTERNAL = Problem(500, "internal", "Something went wrong inside the service")
CAUSES = (*(problem.slug for problem in PROBLEMS.values()), INTERNAL.slug, HTTP)


def problem_of(error: Exception) -> Problem:
    """The row of an exception; INTERNAL for one that the table does not know."""
    return next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), INTERNAL)


def describe(request: Request, error: Exception) -> Occurrence:
    """The problem that an exception is for the client, noted in the request's record. A 500 has no detail."""
    if isinstance(error, HTTPException):
        problem = Problem(error.status_code, HTTP, str(error.detail))
        detail, headers = None, dict(error.headers or {})
    else:
        problem = problem_of(error)
        detail = None if problem is INTERNAL else _detail(error)
        headers = _headers(problem, error)
    request.state.record.outcome = problem.slug
    cause, facts = (error.cause, error.facts) if isinstance(error, ImageError) else (None, {})
    return Occurrence(problem, detail, request.state.request_id, headers, cause, facts)


def respond(request: Request, error: Exception) -> JSONResponse:
    """The problem document of an exception."""
    occurrence = describe(request, error)
    content = occurrence.reply().model_dump(exclude_none=True)
    if request.url.path.startswith("/v2"):
        content["error"] = occurrence.detail or occurrence.kind.title  # where the Open Inference Protocol has it
    return JSONResponse(content, occurrence.status, occurrence.headers, media_type=_PROBLEM_JSON)


def _headers(problem: Problem, error: Exception) -> dict[str, str]:
    retry_after = error.retry_after if isinstance(error, errors.RateLimited) else problem.retry_after
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if problem.status == 408:
        headers["Connection"] = "close"  # the rest of the body is not read
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'ApiKey header="X-API-Key"'
    return headers


def _detail(error: Exception) -> str:
    """In words; cut, because it may repeat what the caller sent."""
    if isinstance(error, RequestValidationError):
        detail = " ".join(_parameter_detail(parameter_error) for parameter_error in error.errors())
    else:
        detail = str(error)
    return detail if len(detail) <= LONGEST_DETAIL else f"{detail[:LONGEST_DETAIL]}..."


def _parameter_detail(parameter_error: dict[str, Any]) -> str:
    place, message = parameter_error["loc"], str(parameter_error["msg"])
    if parameter_error["type"] == errors.UNKNOWN_PARAMETER:
        return message
    name = ".".join(str(part) for part in place[1:]) or str(place[0])
    return f"{name}: {message}."


def problem_responses(*kinds: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """The description of these errors in OpenAPI, with an example of each."""
    rows = sorted({PROBLEMS[kind] for kind in kinds}, key=lambda row: (row.status, row.title))
    return {
        status: {
            "description": "; ".join(row.title for row in same),
            "content": {_PROBLEM_JSON: {"schema": _REPLY, "examples": dict(map(_example, same))}},
        }
        for status, same in ((status, list(found)) for status, found in groupby(rows, key=lambda row: row.status))
    }


def add_problems(operation: dict[str, Any], *kinds: type[Exception]) -> None:
    """Describe more errors of an operation in an OpenAPI document, also beside others with the same status."""
    for status, added in problem_responses(*kinds).items():
        response = operation["responses"].setdefault(str(status), added)
        problems = response["content"].setdefault(_PROBLEM_JSON, {"schema": _REPLY, "examples": {}})
        for slug, example in added["content"][_PROBLEM_JSON]["examples"].items():
            if slug not in problems["examples"]:
                problems["examples"][slug] = example
                response["description"] += f"; {example['summary']}"


def _example(kind: Problem) -> tuple[str, dict[str, Any]]:
    value = Occurrence(kind, None, EXAMPLE_ID, {}).reply().model_dump(exclude_none=True)
    return kind.slug, {"summary": kind.title, "value": value}
