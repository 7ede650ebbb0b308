"""The peers: what starts each, on which graph, and how it is asked."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.harness.load_clients import Question
from benchmarks.http import UPLOAD
from inference.bundle.storage import Bundle
from inference.imaging.preprocessing import prepare
from tests.support.paths import ROOT

HERE = Path(__file__).parent
ENVIRONMENT = ROOT / ".venv-peers"
PYTHON = str(ENVIRONMENT / "bin/python")
KERAS = "keras"
OPENVINO = "openvino-fp32"


@dataclass(frozen=True, slots=True)
class Peer:
    """What is started and how it is asked. `command` gets the port and a folder of its own; `prepare` runs first."""

    name: str
    graph: str
    command: Callable[[int, Path], list[str]]
    question: Question
    prepare: Callable[[Path], list[str]] | None = None
    explain: Question | None = None


def table(bundle: Bundle) -> list[Peer]:
    """Every peer."""
    upload = multipart(UPLOAD)
    pixels = prepare(UPLOAD, bundle.manifest.preprocessing)[np.newaxis].tolist()
    as_json = {"Content-Type": "application/json"}
    numbers = Question("/invocations", json.dumps({"instances": pixels}).encode(), as_json)
    cell = base64.b64encode(UPLOAD).decode()
    table_ = {"dataframe_split": {"columns": ["image"], "data": [[cell]]}}
    in_base64 = Question("/invocations", json.dumps(table_).encode(), as_json)
    found = [
        Peer("mlflow models serve, JSON numbers", KERAS, _mlflow, numbers, _saved("keras")),
        Peer("mlflow models serve, base64 pyfunc", KERAS, _mlflow, in_base64, _saved("pyfunc")),
        Peer(
            "FastAPI and model.predict",
            KERAS,
            _script("naive"),
            Question("/predict", *upload),
            explain=Question("/explain", *upload),
        ),
    ]
    for graph in (KERAS, OPENVINO):
        found += [
            Peer("BentoML", graph, _bentoml, Question("/predict", *upload)),
            Peer("LitServe", graph, _script("litserver"), Question("/predict", *upload)),
            Peer("Ray Serve", graph, _script("rayserve"), Question("/", *upload)),
        ]
    return found


def multipart(data: bytes) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a form with one file, `image`."""
    head = (
        '--lunar\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    return head.encode() + data + b"\r\n--lunar--\r\n", {"Content-Type": "multipart/form-data; boundary=lunar"}


def _script(name: str) -> Callable[[int, Path], list[str]]:
    return lambda port, _: [PYTHON, str(HERE / f"{name}.py"), str(port)]


def _bentoml(port: int, _: Path) -> list[str]:
    binary = str(ENVIRONMENT / "bin/bentoml")
    return [binary, "serve", "bento:Classifier", "--host", "127.0.0.1", "--port", str(port), "--working-dir", str(HERE)]


def _mlflow(port: int, folder: Path) -> list[str]:
    binary = str(ENVIRONMENT / "bin/mlflow")
    return [binary, "models", "serve", "-m", str(folder / "model"), "--env-manager", "local", "-p", str(port)]


def _saved(kind: str) -> Callable[[Path], list[str]]:
    return lambda folder: [PYTHON, str(HERE / "mlflow_models.py"), kind, str(folder / "model")]
