"""/v2: the Open Inference Protocol V2, https://github.com/kserve/open-inference-protocol."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from inference import __version__
from inference.mlflow_model.signature import IMAGE
from service import errors
from service.components import Components, InjectedComponents
from service.http import problems
from service.http.image_form import read_body
from service.http.problems import problem_responses
from service.http.upload_bounds import Upload
from service.open_inference.inference_reply import write_reply
from service.open_inference.inference_request import InferenceRequest, read_request
from service.open_inference.tensors import OUTPUTS
from service.scoring import MAX_IMAGES, score
from service.serving.served_model import ServedModel

JSON_SIZE = "Inference-Header-Content-Length"

_TENSOR = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"const": IMAGE},
        "datatype": {"const": "BYTES"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": MAX_IMAGES}, "minItems": 1},
        "data": {"type": "array", "items": {"type": "string"}, "maxItems": MAX_IMAGES},
    },
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"One input, {IMAGE!r}: image files in base64, or as bytes behind the JSON, whose size "
        f"{JSON_SIZE} then gives. Parameter: tta.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "inputs": {"type": "array", "items": _TENSOR, "minItems": 1, "maxItems": 1},
                        "outputs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {"name": {"enum": [*OUTPUTS]}},
                                "required": ["name"],
                            },
                        },
                        "parameters": {"type": "object", "properties": {"tta": {"enum": [1, 2, 4, 8]}}},
                    },
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_NAMED = problem_responses(errors.UnknownModel, errors.NoModel)
_INFER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One row per image. With binary outputs the body is JSON and then their bytes",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            JSON_SIZE: {"description": "Bytes of JSON before the binary outputs", "schema": {"type": "integer"}}
        },
    },
    **problem_responses(
        *problems.OPEN_INFERENCE,
        errors.TooManyImages,
        errors.BodyTooLarge,
        errors.SlowUpload,
        errors.Overloaded,
        errors.DeadlineExceeded,
        errors.NoModel,
    ),
}

router = APIRouter(prefix="/v2", tags=["open inference protocol"])


@router.get("")
async def server_metadata() -> dict[str, Any]:
    """The server's name, version and extensions."""
    return {"name": "lunar", "version": __version__, "extensions": ["binary_tensor_data"]}


@router.get("/health/live")
async def server_live() -> dict[str, bool]:
    """The process answers."""
    return {"live": True}


@router.get("/health/ready", responses=problem_responses(errors.NoModel))
async def server_ready(components: InjectedComponents) -> dict[str, bool]:
    """A verified, warmed-up model is in service."""
    components.model_manager.current()
    return {"ready": True}


@router.get("/models/{name}", responses=_NAMED)
async def model_metadata(components: InjectedComponents, name: str) -> dict[str, Any]:
    """The model's inputs and outputs."""
    return _metadata(_current(components, name))


@router.get("/models/{name}/versions/{version}", responses=_NAMED)
async def version_metadata(components: InjectedComponents, name: str, version: str) -> dict[str, Any]:
    """The inputs and outputs of this version."""
    return _metadata(_current(components, name, version))


@router.get("/models/{name}/ready", responses=_NAMED)
async def model_ready(components: InjectedComponents, name: str) -> dict[str, Any]:
    """The model is in service."""
    return {"name": _current(components, name).version.name, "ready": True}


@router.get("/models/{name}/versions/{version}/ready", responses=_NAMED)
async def version_ready(components: InjectedComponents, name: str, version: str) -> dict[str, Any]:
    """The model, in this version, is in service."""
    return {"name": _current(components, name, version).version.name, "ready": True}


@router.post("/models/{name}/infer", responses=_INFER, openapi_extra=_BODY)
async def infer(request: Request, components: InjectedComponents, name: str) -> Response:
    """Classify images, one after another. Not a medical device."""
    return await _infer(request, components, name)


@router.post("/models/{name}/versions/{version}/infer", responses=_INFER, openapi_extra=_BODY)
async def version_infer(request: Request, components: InjectedComponents, name: str, version: str) -> Response:
    """Classify images in this version, one after another. Not a medical device."""
    return await _infer(request, components, name, version)


def _metadata(served: ServedModel) -> dict[str, Any]:
    outputs = [
        {"name": each, "datatype": datatype, "shape": [-1, *shape]} for each, (datatype, shape) in OUTPUTS.items()
    ]
    return {
        "name": served.version.name,
        "versions": [served.version.version],
        "platform": f"lunar_{served.classifier.runtime.name}",
        "inputs": [{"name": IMAGE, "datatype": "BYTES", "shape": [-1]}],
        "outputs": outputs,
    }


async def _infer(request: Request, components: Components, name: str, version: str | None = None) -> Response:
    _current(components, name, version)  # refuses before the body is sent
    json_size = _json_size(request)

    async def read(upload: Upload) -> InferenceRequest:
        body = await read_body(request, upload)
        return await asyncio.to_thread(read_request, body, json_size=json_size)

    answer = await score(request, components, read=read)
    _require(answer.served, name, version)  # another may have come into service meanwhile
    served = answer.served.version
    reply = write_reply(answer.content, answer.result, model=served.name, version=served.version)
    if reply.json_size is None:
        return Response(reply.body, media_type="application/json")
    return Response(reply.body, media_type="application/octet-stream", headers={JSON_SIZE: str(reply.json_size)})


def _current(components: Components, name: str, version: str | None = None) -> ServedModel:
    served = components.model_manager.current()
    _require(served, name, version)
    return served


def _require(served: ServedModel, name: str, version: str | None) -> None:
    known = served.version
    if name != known.name or version not in (None, known.version):
        raise errors.UnknownModel(f"The model in service is {known.name!r} in version {known.version}.")


def _json_size(request: Request) -> int | None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise errors.InvalidInference("Send the body without Content-Encoding.")
    text = request.headers.get(JSON_SIZE)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 12:
        raise errors.InvalidInference(f"{JSON_SIZE} is no number of bytes.")
    return int(text)
