"""Requests and answers as both clients send and read them."""

from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx
from pydantic import ValidationError

from lunar_client.errors import Refused, Unreachable
from lunar_client.replies import ClassCode, Problem, Reply

Image = bytes | str | PathLike[str]  # the content of an image file, or its path
Language = Literal["es", "en"]
Views = Literal[1, 2, 4, 8]
Coverage = float  # of prediction sets: 0.8, 0.9 or 0.95
Method = Literal["gradcam++", "gradcam", "all"]
Target = ClassCode | Literal["all"]
Render = Literal["both", "heatmap", "overlay"]

Kind = TypeVar("Kind", bound=Reply)


def options(base_url: str, key: str | None, timeout_s: float) -> dict[str, Any]:
    """The options of an httpx client."""
    headers = {"X-API-Key": key} if key else {}
    return {"base_url": base_url, "headers": headers, "timeout": timeout_s}


def classification(path: str, image: Image, **parameters: "str | float | None") -> dict[str, Any]:
    """A request with an image, as httpx takes it. Raises OSError."""
    content = image if isinstance(image, bytes) else Path(image).read_bytes()
    given = {name: value for name, value in parameters.items() if value is not None}
    headers = {"Content-Type": "application/octet-stream"}
    return {"method": "POST", "url": path, "content": content, "params": given, "headers": headers}


def read(response: httpx.Response, kind: type[Kind]) -> Kind:
    """The answer. Raises Refused, and Unreachable for what is not an answer of Lunar."""
    try:
        if response.is_success:
            return kind.model_validate_json(response.content)
        raise Refused(Problem.model_validate_json(response.content))
    except ValidationError as error:
        words = f"{response.request.url} answers {response.status_code}, but not as Lunar does"
        raise Unreachable(words) from error


def may_pass(error: httpx.RequestError) -> bool:
    """Whether the next attempt may succeed: there was no connection, or it was dropped. Not after a timeout."""
    return isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)


def unreachable(error: httpx.RequestError, base_url: httpx.URL) -> Unreachable:
    """The error for a service that does not answer."""
    return Unreachable(f"{base_url} does not answer: {str(error) or type(error).__name__}")
