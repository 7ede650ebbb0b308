"""An alias of the local registry, read without MLflow, and everything for which MLflow is asked all the same."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from inference.bundle.storage import Bundle
from inference.registry.artifacts import DATABASE
from inference.registry.errors import NoSuchModel, RegistryUnavailable
from inference.registry.local_alias import read_alias
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.paths import ROOT
from tests.support.processes import free_port

NAME, ALIAS = "skin-lesion", "champion"


@pytest.fixture
def registry(fake_bundle: Bundle, tmp_path: Path) -> Registry:
    registry = Registry(RegistrySettings(home=tmp_path))
    registry.publish(fake_bundle, alias=ALIAS, source="test")
    return registry


def test_it_says_what_mlflow_says(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_alias(registry.home, NAME, ALIAS)
    assert found is not None, "MLflow's database has another schema: see inference/registry/local_alias.py"
    assert registry.resolve(ALIAS) == found
    monkeypatch.setattr("inference.registry.mlflow_registry.read_alias", lambda *_: None)
    assert registry.resolve(ALIAS) == found


def test_mlflow_is_not_imported(registry: Registry) -> None:
    script = (
        "import sys; from pathlib import Path; from inference.registry.mlflow_registry import Registry;"
        "from inference.settings import RegistrySettings;"
        f"Registry(RegistrySettings(home=Path({str(registry.home)!r}))).resolve({ALIAS!r});"
        "print([name for name in ('mlflow', 'sqlalchemy', 'pandas') if name in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("change", [
    "UPDATE alembic_version SET version_num = 'of another MLflow'",
    "DELETE FROM registered_model_aliases",
    "UPDATE model_versions SET current_stage = 'Deleted_Internal'",
    "UPDATE model_versions SET status = 'PENDING_REGISTRATION'",
    "DROP TABLE model_version_tags",
])  # fmt: skip
def test_what_is_unusual_is_left_to_mlflow(registry: Registry, change: str) -> None:
    with closing(sqlite3.connect(registry.home / DATABASE)) as database, database:
        database.execute(change)
    assert read_alias(registry.home, NAME, ALIAS) is None


def test_nothing_there_is_left_to_mlflow(registry: Registry, tmp_path: Path) -> None:
    assert read_alias(registry.home, NAME, "nobody") is None
    assert read_alias(registry.home, "nothing", ALIAS) is None
    assert read_alias(tmp_path / "nowhere", NAME, ALIAS) is None
    with pytest.raises(NoSuchModel):
        registry.resolve("nobody")


@pytest.mark.parametrize("name", ["MLFLOW_WORKSPACE", "MLFLOW_ENABLE_WORKSPACES"])
def test_workspaces_are_left_to_mlflow(registry: Registry, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "true")
    assert read_alias(registry.home, NAME, ALIAS) is None


@pytest.mark.parametrize("alias", ["latest", "Latest"])
def test_the_alias_of_the_newest_version_is_left_to_mlflow(registry: Registry, alias: str) -> None:
    with closing(sqlite3.connect(registry.home / DATABASE)) as database, database:
        database.execute("UPDATE registered_model_aliases SET alias = ?", (alias,))
    assert read_alias(registry.home, NAME, alias) is None


def test_a_server_that_is_named_is_asked_even_if_it_is_away(registry: Registry) -> None:
    away = RegistrySettings(home=registry.home, tracking_uri=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(RegistryUnavailable):
        Registry(away).resolve(ALIAS)
