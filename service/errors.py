"""Exceptions -> application/problem+json (RFC 9457): one table, one renderer."""

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from inference.image import ImageTooLarge, UnreadableImage, UnsupportedFormat


class NoImage(ValueError):
    """The request carries no image."""


class SeveralImages(ValueError):
    """The request carries more than one image."""


class BrokenUpload(ValueError):
    """The multipart body cannot be parsed."""


class BodyTooLarge(ValueError):
    """The body has more bytes than allowed."""


class InvalidFrame(ValueError):
    """The body is not what MLflow's scoring protocol asks for."""


class TooManyImages(ValueError):
    """One call carries more images than allowed."""


class NotJson(ValueError):
    """The body has another type than JSON."""


class Overloaded(RuntimeError):
    """Too many requests wait for the model."""


class DeadlineExceeded(RuntimeError):
    """The request was not answered in time."""


class NoModel(RuntimeError):
    """No verified model is in service (yet)."""


class UnknownHost(ValueError):
    """The request was sent to a name that is not the service's."""


class MissingKey(PermissionError):
    """What is asked for needs a key, and none was sent."""


class UnknownKey(PermissionError):
    """The key is nobody's."""


class ExpiredVisit(PermissionError):
    """The page was opened too long ago, or of another process."""


class Forbidden(PermissionError):
    """The key is known and does not suffice."""


class CrossSite(PermissionError):
    """Another site's page caused the request."""


class RateLimited(RuntimeError):
    """More requests than allowed; `retry_after` in seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedVersion(RuntimeError):
    """The version behind the alias may not serve."""


class NoRegistry(RuntimeError):
    """The registry has no answer."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One row: the status, the last part of the type URN, a title, and when to come back (seconds)."""

    status: int
    slug: str
    title: str
    retry_after: int | None = None

    @property
    def type(self) -> str:
        return f"urn:lunar:problem:{self.slug}"


PROBLEMS: dict[type[Exception], Problem] = {
    NoImage: Problem(400, "no-image", "No image in the request"),
    SeveralImages: Problem(400, "several-images", "More than one image in the request"),
    BrokenUpload: Problem(400, "broken-upload", "The multipart body cannot be parsed"),
    InvalidFrame: Problem(400, "invalid-frame", "The images are not in one of MLflow's forms"),
    TooManyImages: Problem(413, "too-many-images", "Too many images in one call"),
    NotJson: Problem(415, "not-json", "The body is not declared as JSON"),
    BodyTooLarge: Problem(413, "body-too-large", "The upload has too many bytes"),
    ImageTooLarge: Problem(413, "image-too-large", "The image has too many pixels"),
    UnsupportedFormat: Problem(415, "unsupported-format", "Not an image of an accepted format"),
    UnreadableImage: Problem(422, "unreadable-image", "The image cannot be read"),
    RequestValidationError: Problem(422, "invalid-parameter", "A parameter is unknown or has no allowed value"),
    UnknownHost: Problem(400, "unknown-host", "The service has another name"),
    MissingKey: Problem(401, "missing-key", "A key is needed"),
    UnknownKey: Problem(401, "unknown-key", "The key is not known"),
    ExpiredVisit: Problem(401, "expired-visit", "The page was opened too long ago"),
    Forbidden: Problem(403, "forbidden", "The key does not suffice"),
    CrossSite: Problem(403, "cross-site", "Another site caused the request"),
    RateLimited: Problem(429, "rate-limited", "Too many requests in a short time"),
    Overloaded: Problem(503, "overloaded", "Too many requests at once", retry_after=2),
    DeadlineExceeded: Problem(503, "deadline-exceeded", "The answer took too long", retry_after=5),
    NoModel: Problem(503, "no-model", "No model is in service yet", retry_after=10),
    RefusedVersion: Problem(409, "refused-version", "The registered version may not serve"),
    NoRegistry: Problem(503, "no-registry", "The model registry cannot be asked", retry_after=15),
}
OPERATION = (RefusedVersion, NoRegistry)  # of /admin
SCORING = (InvalidFrame, TooManyImages, NotJson)  # of /invocations
ACCESS = (MissingKey, UnknownKey, ExpiredVisit, Forbidden, CrossSite, RateLimited)  # of whatever needs a key
PROGRAMS = (UnknownHost, UnknownKey, Forbidden)  # whoever uses the page does not send what causes them
ELSEWHERE = OPERATION + SCORING + PROGRAMS  # neither an upload nor the page can meet them
UNKNOWN_PARAMETER = "unknown_parameter"
HTTP = "http"  # what the router refuses: an unknown path, a wrong method
INTERNAL = Problem(500, "internal", "Something went wrong inside the service")


def problem_of(error: Exception) -> Problem:
    """The row of an exception; INTERNAL for one that the table does not know."""
    return next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), INTERNAL)


def respond(request: Request, error: Exception) -> JSONResponse:
    """The problem document of an exception; a 500 says nothing of the inside."""
    if isinstance(error, HTTPException):
        problem = Problem(error.status_code, HTTP, str(error.detail))
        request.state.record.outcome = problem.slug
        return _document(request, problem, None, type_="about:blank", headers=dict(error.headers or {}))
    problem = problem_of(error)
    request.state.record.outcome = problem.slug
    detail = _explain(error) if problem is not INTERNAL else None
    retry_after = error.retry_after if isinstance(error, RateLimited) else problem.retry_after
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'ApiKey header="X-API-Key"'
    return _document(request, problem, detail, type_=problem.type, headers=headers)


def _document(
    request: Request, problem: Problem, detail: str | None, *, type_: str, headers: dict[str, str]
) -> JSONResponse:
    content: dict[str, Any] = {"type": type_, "title": problem.title, "status": problem.status}
    if detail:
        content["detail"] = detail
    content["request_id"] = request.state.request_id
    return JSONResponse(content, problem.status, headers, media_type="application/problem+json")


def _explain(error: Exception) -> str:
    if not isinstance(error, RequestValidationError):
        return str(error)
    return " ".join(_explain_parameter(each) for each in error.errors())


def _explain_parameter(each: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0])
    if each["type"] == UNKNOWN_PARAMETER:
        return str(each["msg"])
    return f"{name}: {each['msg']}."
