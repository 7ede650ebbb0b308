"""Reads one call: JSON, and perhaps the images as bytes behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inference.mlflow_model.scoring import ScoringParameters
from inference.mlflow_model.signature import IMAGE
from service.errors import InvalidInference, TooManyImages
from service.open_inference.tensors import BINARY_SIZE, OUTPUTS, split_bytes
from service.scoring import MAX_IMAGES, check_values


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _Tensor(_Model):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = Field(default_factory=dict)
    data: list[Any] | None = None


class _Asked(_Model):
    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class _Request(_Model):
    id: str | None = None
    inputs: list[_Tensor]
    outputs: list[_Asked] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """One call: unchecked cells with an image each, parameters, and the outputs asked for: name -> as bytes or not."""

    id: str | None
    cells: tuple[object, ...]
    outputs: dict[str, bool]
    parameters: ScoringParameters


def read_request(body: bytes, *, json_size: int | None) -> InferenceRequest:
    """Read one call; `json_size` is how many bytes of the body are JSON, None for all.

    Raises InvalidInference, TooManyImages.
    """
    if json_size is not None and json_size > len(body):
        raise InvalidInference(f"The body has {len(body)} bytes, fewer than the {json_size} of its JSON.")
    text, binary = (body, b"") if json_size is None else (body[:json_size], body[json_size:])
    check_values(text)
    try:
        request = _Request.model_validate_json(text)
        parameters = ScoringParameters.parse({"tta": request.parameters.get("tta", 1)})
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInference(f"{'.'.join(map(str, first['loc'])) or 'The JSON'}: {first['msg']}.") from error
    except ValueError as error:
        raise InvalidInference(str(error)) from error
    cells = tuple(_read_images(request.inputs, binary))
    return InferenceRequest(request.id, cells, _asked(request), parameters)


def _read_images(inputs: Sequence[_Tensor], binary: bytes) -> Sequence[object]:
    if [each.name for each in inputs] != [IMAGE]:
        raise InvalidInference(f"Send exactly one input, {IMAGE!r}.")
    (tensor,) = inputs
    if tensor.datatype != "BYTES":
        raise InvalidInference(f"The datatype of {IMAGE!r} is not BYTES.")
    if not tensor.shape or min(tensor.shape) < 0 or tensor.shape[1:] not in ([], [1]):
        raise InvalidInference(f"The shape of {IMAGE!r} is neither [n] nor [n, 1].")
    if tensor.shape[0] > MAX_IMAGES:
        raise TooManyImages(f"The call has {tensor.shape[0]:,} images; allowed: {MAX_IMAGES}.")
    size = tensor.parameters.get(BINARY_SIZE)
    if (size is None) == (tensor.data is None) or (size is not None and size != len(binary)):
        raise InvalidInference(f"Send {IMAGE!r} either as data or as the {BINARY_SIZE} bytes behind the JSON.")
    cells = _flat(tensor.data) if tensor.data is not None else [*split_bytes(binary, most=MAX_IMAGES)]
    if len(cells) != tensor.shape[0]:
        raise InvalidInference(f"{IMAGE!r} has {len(cells)} elements; its shape says {tensor.shape[0]}.")
    return cells


def _flat(data: list[Any]) -> list[object]:
    return [each[0] if isinstance(each, list) and len(each) == 1 else each for each in data]


def _asked(request: _Request) -> dict[str, bool]:
    default = request.parameters.get("binary_data_output") is True
    if not request.outputs:
        return dict.fromkeys(OUTPUTS, default)
    if unknown := [each.name for each in request.outputs if each.name not in OUTPUTS]:
        raise InvalidInference(f"There is no output {unknown[0]!r}; allowed: {', '.join(OUTPUTS)}.")
    return {each.name: each.parameters.get("binary_data", default) is True for each in request.outputs}
