"""The files that make a published bundle an MLflow model: MLmodel with the signature, code and requirements."""

import json
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from inference.mlflow_model.signature import INPUTS, OUTPUTS, PARAMETERS

BUNDLE_PATH = "artifacts/bundle"  # where MLflow's pyfunc flavour keeps artifacts
CODE = "pyfunc.py"
REQUIREMENTS = ("isal", "numpy", "opencv-python-headless", "openvino", "pi-heif", "pillow", "pydantic")
_PACKAGE = Path(__file__).parent.parent


@contextmanager
def model_files() -> Iterator[Path]:
    """A temporary folder with all files of the model except the bundle, which belongs at BUNDLE_PATH.

    MLflow 3.17 cannot import mlflow.pyfunc.save_model without pandas, which serving does not install, and it writes
    paths of this machine. tests/inference/mlflow_model/test_packaging.py compares its files with these.
    """
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _write(folder)
        yield folder


def _write(folder: Path) -> None:
    shutil.copytree(_PACKAGE, folder / "code" / _PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name(CODE), folder / CODE)
    mlflow = f"mlflow=={version('mlflow-skinny')}"  # the full package has the version of its core
    requirements = [f"{name}=={version(name)}" for name in REQUIREMENTS]
    (folder / "requirements.txt").write_text("\n".join([mlflow, *requirements]) + "\n")
    environment = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    (folder / "python_env.yaml").write_text(json.dumps(environment, indent=2) + "\n")  # JSON is YAML
    (folder / "MLmodel").write_text(json.dumps(_description(), indent=2) + "\n")


def _description() -> dict[str, Any]:
    from mlflow.models.model import Model

    model = Model().add_flavor(
        "python_function",
        loader_module="mlflow.pyfunc.loaders.code_model",
        model_code_path=CODE,
        code="code",
        artifacts={"bundle": {"path": BUNDLE_PATH, "uri": BUNDLE_PATH}},
        env={"virtualenv": "python_env.yaml"},
        python_version=platform.python_version(),
        streamable=False,
    )
    return {**model.to_dict(), "signature": _signature()}


def _signature() -> dict[str, str]:
    """The JSON of mlflow.models.ModelSignature, which MLflow 3.17 cannot import without pandas; nor ParamSpec."""
    from mlflow.types.schema import ColSpec, Schema

    parameters = [
        {"name": name, "default": default, "shape": None, "type": kind} for name, (kind, default) in PARAMETERS.items()
    ]
    return {
        "inputs": Schema([ColSpec(kind, name) for name, kind in INPUTS.items()]).to_json(),
        "outputs": Schema([ColSpec(kind, name, required=kind == "string") for name, kind in OUTPUTS.items()]).to_json(),
        "params": json.dumps(parameters),
    }
