"""Writes the answer of one call: outputs in JSON, or as bytes behind it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inference.domain.taxonomy import CLASSES
from inference.mlflow_model.scoring import Row
from service.open_inference.inference_request import InferenceRequest
from service.open_inference.tensors import BINARY_SIZE, OUTPUTS, to_bytes


@dataclass(frozen=True, slots=True)
class InferenceReply:
    """`body`: JSON, and behind `json_size` bytes of it the outputs in binary form; None if there are none."""

    body: bytes
    json_size: int | None


def write_reply(asked: InferenceRequest, rows: Sequence[Row], *, model: str, version: str) -> InferenceReply:
    """The outputs for rows of scoring. A number that does not exist is null in JSON and NaN in binary form."""
    outputs, binary = [], b""
    for name, as_bytes in asked.outputs.items():
        datatype, shape = OUTPUTS[name]
        values = [value for row in rows for value in _values(row, name)]
        output: dict[str, Any] = {"name": name, "datatype": datatype, "shape": [len(rows), *shape]}
        if as_bytes:
            coded = to_bytes(values, datatype)
            output["parameters"] = {BINARY_SIZE: len(coded)}
            binary += coded
        else:
            output["data"] = values
        outputs.append(output)
    reply = {"model_name": model, "model_version": version, "outputs": outputs}
    text = json.dumps(reply if asked.id is None else reply | {"id": asked.id}, ensure_ascii=False).encode()
    return InferenceReply(text + binary, len(text) if any(asked.outputs.values()) else None)


def _values(row: Row, name: str) -> list[str | float | None]:
    return [row[f"probability_{code}"] for code in CLASSES] if name == "probabilities" else [row[name]]
