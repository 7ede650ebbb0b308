"""Fixtures that several rooms share."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from inference.bundle.storage import Bundle, open_bundle
from inference.prediction.classifier import Classifier
from inference.registry.__main__ import register_starter
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.fakes import FakeRuntime, write_fake_bundle
from tests.support.guarded_service import Guarded, guarded_service
from tests.support.paths import ROOT, STARTER
from tests.support.service_process import running_service

if TYPE_CHECKING:
    from tests.support.executed_notebook import Executed
    from training.config import Config
    from training.networks.network import Network

pytest_plugins = ["tests.support.fast_level", "tests.support.schedule", "tests.support.parameter_names"]


@pytest.fixture(scope="session")
def fake_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_fake_bundle(tmp_path_factory.mktemp("fake") / "bundle")


@pytest.fixture(scope="session")
def fake_classifier(fake_bundle: Bundle) -> Classifier:
    return Classifier(fake_bundle, FakeRuntime(fake_bundle))


@pytest.fixture(scope="session")
def starter() -> Bundle:
    return open_bundle(STARTER)


@pytest.fixture(scope="session")
def starter_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real local registry whose champion is the committed starter."""
    home = tmp_path_factory.mktemp("home")
    register_starter(Registry(RegistrySettings(home=home)), open_bundle(STARTER), alias="champion")
    return home


@pytest.fixture(scope="session")
def starter_service(starter_home: Path) -> Iterator[str]:
    """The address of a real service on it."""
    with running_service(starter_home) as address:
        yield address


@pytest.fixture(scope="session")
def guarded(starter_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The same at an address that other machines can reach, with keys."""
    with guarded_service(starter_home, tmp_path_factory.mktemp("guarded")) as found:
        yield found


@pytest.fixture(scope="session")
def tensorflow() -> ModuleType:
    """For single tests: one that asks for it is skipped where it is not installed, and says so."""
    from tests.support.needs_tensorflow import tf

    return tf


@pytest.fixture(scope="session")
def v2m_network(tensorflow: ModuleType) -> "tuple[Config, Network]":
    """EfficientNetV2M at 480 x 480 with random weights. Building it takes long; once is enough."""
    from tests.support.untrained import untrained_network

    return untrained_network("efficientnetv2-m", size=480, graphs=("openvino-fp32", "keras"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """LUNAR_DATA; tests on real images are skipped where it is not."""
    data = (ROOT / os.environ.get("LUNAR_DATA", "../shared/data")).resolve()
    if not (data / "ham10000").is_dir():
        pytest.skip(f"no real images: LUNAR_DATA ({data}) holds no folder ham10000")
    return data


@pytest.fixture(scope="session")
def executed_notebook(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> "Executed":
    """The notebook's run of smoke.toml."""
    from tests.support.executed_notebook import execute_notebook

    return execute_notebook(real_data, tmp_path_factory.mktemp("notebook"))


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose database exists already: creating its tables takes seconds, once is enough."""
    home = tmp_path_factory.mktemp("empty")
    Registry(RegistrySettings(home=home)).experiment()
    return home


@pytest.fixture
def home(empty_home: Path, tmp_path: Path) -> Path:
    """A fresh copy; its experiment is made again, because it knows where its artifacts lie."""
    copy = Path(shutil.copytree(empty_home, tmp_path / "home"))
    with closing(sqlite3.connect(copy / "mlflow.db")) as database, database:  # the first closes, the second commits
        database.execute("UPDATE experiments SET artifact_location = ? WHERE name = 'lunar'", [str(copy / "artifacts")])
    return copy


@pytest.fixture
def registry(home: Path) -> Registry:
    return Registry(RegistrySettings(home=home))
