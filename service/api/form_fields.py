"""Parameters in the text fields of a multipart body: the same names and values as in the query."""

from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from service.api.schemas import PredictParameters

Parameters = TypeVar("Parameters", bound=PredictParameters)


def without_contradiction(query: Parameters, items: Sequence[tuple[str, str]]) -> Parameters:
    """The query's parameters, of which FastAPI took the last value; `items` are all of its names and values.

    Raises RequestValidationError for a value that is not allowed, and two values of one parameter.
    """
    return _merged(query, items, place="query") if len(items) > len(dict(items)) else query


def with_fields(query: Parameters, fields: Sequence[tuple[str, str]]) -> Parameters:
    """The query's parameters and those of the fields.

    Raises RequestValidationError for an unknown name, a value that is not allowed, and two values of one parameter.
    """
    return _merged(query, fields, place="body") if fields else query


def _merged(query: Parameters, items: Sequence[tuple[str, str]], *, place: str) -> Parameters:
    kind = type(query)
    try:
        given = [kind.model_validate({name: value}) for name, value in items]
    except ValidationError as error:
        raise RequestValidationError([each | {"loc": (place, *each["loc"])} for each in error.errors()]) from error
    merged = query.model_dump(exclude_unset=True)
    for each in given:
        for name, value in each.model_dump(exclude_unset=True).items():
            if merged.setdefault(name, value) != value:
                raise _contradiction(place, name, merged[name], value)
    return kind.model_validate(merged)


def form_properties(kind: type[PredictParameters]) -> dict[str, Any]:
    """The fields as OpenAPI describes them."""
    properties: dict[str, Any] = kind.model_json_schema()["properties"]
    return {
        name: next((form for form in schema.get("anyOf", ()) if form.get("type") != "null"), schema)
        for name, schema in properties.items()
    }


def _contradiction(place: str, name: str, one: object, other: object) -> RequestValidationError:
    message = f"given as {one} and as {other}"
    return RequestValidationError([{"type": "value_error", "loc": (place, name), "msg": message, "input": other}])
