"""What makes a published bundle an MLflow model: MLmodel with its signature, the code and its requirements."""

import json
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from inference.signature import INPUTS, OUTPUTS, PARAMETERS

BUNDLE_PATH = "artifacts/bundle"  # where MLflow's pyfunc flavour keeps artifacts
CODE = "pyfunc.py"
REQUIREMENTS = ("numpy", "opencv-python-headless", "openvino", "pillow", "pydantic")
_PACKAGE = Path(__file__).parent


@contextmanager
def shell() -> Iterator[Path]:
    """A temporary folder with everything of the model but its bundle, which belongs at BUNDLE_PATH.

    mlflow.pyfunc.save_model would do it, but MLflow 3.17 cannot import it without pandas, which serving does not
    install; it also writes this machine's paths. tests/inference/test_mlflow_model.py compares the two.
    """
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _write(folder)
        yield folder


def _write(folder: Path) -> None:
    shutil.copytree(_PACKAGE, folder / "code" / _PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_PACKAGE / CODE, folder / CODE)
    mlflow = f"mlflow=={version('mlflow-skinny')}"  # which the full package brings in its own version
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
    """As mlflow.models.ModelSignature writes itself; MLflow 3.17 imports neither that nor ParamSpec without pandas."""
    from mlflow.types.schema import ColSpec, Schema

    parameters = [
        {"name": name, "default": default, "shape": None, "type": kind} for name, (kind, default) in PARAMETERS.items()
    ]
    return {
        "inputs": Schema([ColSpec(kind, name) for name, kind in INPUTS.items()]).to_json(),
        "outputs": Schema([ColSpec(kind, name, required=kind == "string") for name, kind in OUTPUTS.items()]).to_json(),
        "params": json.dumps(parameters),
    }
