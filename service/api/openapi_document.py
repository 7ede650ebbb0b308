"""What FastAPI does not write into the OpenAPI document by itself, for those who generate clients from it."""

import re
from collections.abc import Iterator
from typing import Any

from fastapi.routing import APIRoute

from service.errors import UnknownHost
from service.http.problems import ProblemReply, add_problems
from service.representations.examples import PROBLEM

VARNAMES = "x-enum-varnames"  # openapi-python-client, openapi-generator and others read it
_SPELLED = {"+": "_plus"}
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")  # its own error answers; this service has problems instead


def operation_id(route: APIRoute) -> str:
    """The name of the route's function: `predict`, `explain`. Generated clients call their functions so."""
    return route.name


def complete(document: dict[str, Any]) -> None:
    """Add the schema of problems, which error answers refer to, and names for values that are no identifiers.

    FastAPI declares an error answer of its own for every path with a parameter; the service never gives it.
    """
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas[ProblemReply.__name__] = ProblemReply.model_json_schema() | {"examples": [PROBLEM]}
    for name in _OF_FASTAPI:
        schemas.pop(name, None)
    for operation in (each for path in document["paths"].values() for each in path.values()):
        responses = operation["responses"]
        if "HTTPValidationError" in str(responses.get("422")):
            del responses["422"]
        add_problems(operation, UnknownHost)
    for schema in _enumerations(document):
        names = [_identifier(value) for value in schema["enum"]]
        if names != [value.upper() for value in schema["enum"]]:
            schema[VARNAMES] = names


def _enumerations(part: object) -> Iterator[dict[str, Any]]:
    """Every schema in a part of the document that lists words."""
    if isinstance(part, dict):
        values = part.get("enum")
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _enumerations(each)


def _identifier(value: str) -> str:
    """Such as GRADCAM_PLUS_PLUS for "gradcam++" and VALUE_0_9 for "0.9"; different values have different names."""
    for character, word in _SPELLED.items():
        value = value.replace(character, word)
    name = re.sub(r"\W+", "_", value).strip("_").upper()
    return f"VALUE_{name}" if name[:1].isdecimal() else name
