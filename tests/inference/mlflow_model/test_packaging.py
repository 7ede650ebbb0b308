"""The files around the bundle equal those that MLflow writes, and need nothing that serving does not install."""

import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import grimp
import mlflow
import pytest
import yaml
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import ColSpec, ParamSchema, ParamSpec, Schema

from inference.bundle.storage import Bundle
from inference.imaging.file_format import OPTIONAL
from inference.mlflow_model.packaging import BUNDLE_PATH, CODE, REQUIREMENTS, model_files
from inference.mlflow_model.signature import INPUTS, OUTPUTS, PARAMETERS
from inference.registry.mlflow_registry import Registry
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    with model_files() as folder:
        return {
            "MLmodel": Model.load(folder),
            "files": {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()},
            **{name: (folder / name).read_text() for name in ("requirements.txt", "python_env.yaml")},
            "text": (folder / "MLmodel").read_text(),
        }


@pytest.mark.filterwarnings("ignore::UserWarning")  # MLflow 3.17 asks for input examples and type hints
def test_it_is_what_save_model_writes(ours: dict[str, Any], fake_bundle: Bundle, tmp_path: Path) -> None:
    """Except paths of this machine, conda, and files of pickled models."""
    theirs = tmp_path / "theirs"
    mlflow.pyfunc.save_model(
        theirs,
        python_model=str(ROOT / "inference" / "mlflow_model" / CODE),
        artifacts={"bundle": str(fake_bundle.path)},
        code_paths=[str(ROOT / "inference")],
        signature=ModelSignature(
            Schema([ColSpec(kind, name) for name, kind in INPUTS.items()]),
            Schema([ColSpec(kind, name, required=kind == "string") for name, kind in OUTPUTS.items()]),
            ParamSchema([ParamSpec(name, kind, default) for name, (kind, default) in PARAMETERS.items()]),
        ),
        pip_requirements=ours["requirements.txt"].splitlines(),
    )
    saved = Model.load(theirs)
    flavor = saved.flavors["python_function"]
    del flavor["cloudpickle_version"], flavor["env"]["conda"]
    flavor["model_code_path"] = Path(flavor["model_code_path"]).name
    flavor["artifacts"]["bundle"] = {"path": BUNDLE_PATH, "uri": BUNDLE_PATH}
    assert ours["MLmodel"].flavors == saved.flavors
    assert ours["MLmodel"].signature == saved.signature
    assert ours["MLmodel"].mlflow_version == saved.mlflow_version
    assert ours["requirements.txt"].split() == (theirs / "requirements.txt").read_text().split()
    environment = yaml.safe_load((theirs / "python_env.yaml").read_text())
    assert yaml.safe_load(ours["python_env.yaml"]).items() <= environment.items()
    written = {path.relative_to(theirs).as_posix() for path in theirs.rglob("*") if path.is_file()}
    written = {path for path in written if not path.startswith("artifacts/") and "__pycache__" not in path}
    assert ours["files"] == written - {"conda.yaml"}


def test_no_path_of_this_machine_is_published(ours: dict[str, Any]) -> None:
    assert str(ROOT) not in ours["text"]
    assert "/tmp" not in ours["text"]  # noqa: S108


def test_the_requirements_are_what_the_code_imports() -> None:
    """MLflow installs pandas; runtimes are imported by name; the readers of optional formats are extras."""
    graph = grimp.build_graph("inference", include_external_packages=True, cache_dir=None)
    modules = {
        each
        for start in ("inference.mlflow_model.pyfunc", "inference.runtimes.openvino")
        for each in graph.find_upstream_modules(start)
    }
    names = {each for each in modules if "." not in each} - set(sys.stdlib_module_names)
    owners = packages_distributions()
    packages = {owners[name][0].lower().replace("_", "-") for name in names - {"inference", "mlflow", "pandas"}}
    assert packages - set(OPTIONAL.values()) == set(REQUIREMENTS)


def test_every_published_version_is_such_a_model(registry: Registry, fake_bundle: Bundle) -> None:
    published = registry.publish(fake_bundle, alias="champion", source="test")
    uri = f"runs:/{published.run}/model"
    folder = Path(mlflow.artifacts.download_artifacts(uri, tracking_uri=registry.tracking_uri))
    flavor = Model.load(folder).flavors["python_function"]
    assert (folder / flavor["artifacts"]["bundle"]["path"] / "manifest.json").is_file()
    assert (folder / flavor["model_code_path"]).read_text() == (ROOT / "inference/mlflow_model" / CODE).read_text()
    assert (folder / flavor["code"] / "inference" / "prediction" / "classifier.py").is_file()
