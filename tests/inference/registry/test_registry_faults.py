"""What a registry can suffer: its home moves, files or runs are deleted, MLflow refuses. Each error names the cause."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from inference.bundle.storage import Bundle, open_bundle
from inference.domain.model_version import ModelVersion
from inference.registry.__main__ import main, register_starter
from inference.registry.errors import MissingBundle, RegistryRefused, RegistryUnavailable
from inference.registry.mlflow_client import without_secrets
from inference.registry.mlflow_registry import EXPERIMENT, Registry
from inference.settings import RegistrySettings
from tests.support.fakes import write_fake_bundle


@pytest.fixture
def version(registry: Registry, fake_bundle: Bundle) -> ModelVersion:
    return registry.publish(fake_bundle, alias="champion", source="training")


def at(home: Path) -> Registry:
    return Registry(RegistrySettings(home=home))


def entries(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def delete_run(registry: Registry, run: str | None) -> None:
    """As `mlflow gc` does."""
    with registry._client() as client:
        client._tracking_client.store._hard_delete_run(run)


@pytest.mark.parametrize("name", ["a b", "a%20b", "what?x=1", "a#b", "größe", "50%"])
def test_a_home_may_have_any_name(name: str, tmp_path: Path, home: Path, fake_bundle: Bundle) -> None:
    """Nothing is written beside it, under a name that MLflow has read in another way."""
    odd = home.rename(tmp_path / name)
    beside = set(tmp_path.iterdir())
    published = at(odd).publish(fake_bundle, alias="champion", source="test")
    assert at(odd).resolve("champion") == published
    into = odd / "into"
    into.mkdir()
    assert open_bundle(at(odd).download(published, into)).manifest == fake_bundle.manifest
    assert any((odd / "artifacts").iterdir())
    assert set(tmp_path.iterdir()) == beside


def test_artifacts_follow_a_home_that_was_moved(
    registry: Registry, version: ModelVersion, fake_bundle: Bundle, tmp_path: Path
) -> None:
    moved = at(registry.home.rename(tmp_path / "moved to"))
    into = tmp_path / "into"
    into.mkdir()
    assert open_bundle(moved.download(version, into)).manifest == fake_bundle.manifest
    moved.publish(write_fake_bundle(tmp_path / "other", seed=1), alias="champion", source="test")
    assert not registry.home.exists(), "nothing is written where the home was"


def test_an_address_that_only_begins_alike_is_not_moved(
    registry: Registry, version: ModelVersion, tmp_path: Path
) -> None:
    beside = f"{registry.home / 'artifacts'}-of-others/model"
    with closing(sqlite3.connect(registry.home / "mlflow.db")) as database, database:
        database.execute("UPDATE model_versions SET storage_location = ?", [beside])
    moved = at(registry.home.rename(tmp_path / "moved to"))
    assert [each.version for each, _ in moved.versions()] == [version.version]
    with closing(sqlite3.connect(moved.home / "mlflow.db")) as database:
        found = database.execute(
            "SELECT artifact_location, storage_location FROM experiments e, model_versions WHERE e.name = 'lunar'"
        ).fetchall()
    assert found == [(str(moved.home / "artifacts"), beside)]


def test_a_copied_home_leaves_its_original_alone(registry: Registry, version: ModelVersion, tmp_path: Path) -> None:
    copy = at(Path(shutil.copytree(registry.home, tmp_path / "copy")))
    before = entries(registry.home)
    copy.publish(write_fake_bundle(tmp_path / "other", seed=1), alias="champion", source="test")
    assert entries(registry.home) == before
    assert registry.resolve("champion") == version


def test_artifacts_that_are_kept_elsewhere_stay_there(home: Path, tmp_path: Path, fake_bundle: Bundle) -> None:
    elsewhere = tmp_path / "a large disk"
    elsewhere.mkdir()
    with closing(sqlite3.connect(home / "mlflow.db")) as database, database:
        database.execute("UPDATE experiments SET artifact_location = ? WHERE name = 'lunar'", [str(elsewhere)])
    at(home).publish(fake_bundle, alias="champion", source="test")
    assert list(elsewhere.rglob("manifest.json"))
    assert not (home / "artifacts").exists()


def test_the_starter_is_published_again_if_its_files_are_gone(registry: Registry, fake_bundle: Bundle) -> None:
    first = register_starter(registry, fake_bundle, alias="champion")
    shutil.rmtree(registry.home / "artifacts")
    second = register_starter(registry, fake_bundle, alias="champion")
    assert (first.version, second.version) == ("1", "2")
    (graph,) = (registry.home / "artifacts" / str(second.run)).rglob("fake.xml")
    graph.unlink()
    third = register_starter(registry, fake_bundle, alias="champion")
    assert third.version == "3"
    delete_run(registry, third.run)
    assert register_starter(registry, fake_bundle, alias="champion").version == "4"
    assert register_starter(registry, fake_bundle, alias="champion").version == "4"


def test_a_promoted_version_whose_files_are_gone_names_the_place(
    registry: Registry, version: ModelVersion, tmp_path: Path
) -> None:
    shutil.rmtree(registry.home / "artifacts")
    with pytest.raises(MissingBundle, match=f"{registry.home}/artifacts/{version.run}/artifacts/model"):
        registry.download(version, tmp_path)
    starter = write_fake_bundle(tmp_path / "starter", seed=1)
    assert register_starter(registry, starter, alias="champion") == version, "not replaced"


def test_a_deleted_run_is_named(registry: Registry, version: ModelVersion, tmp_path: Path) -> None:
    delete_run(registry, version.run)
    with pytest.raises(MissingBundle, match=str(version.run)):
        registry.download(version, tmp_path)


def test_an_old_schema_is_told_with_what_to_do(home: Path) -> None:
    with closing(sqlite3.connect(home / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0'")
    with pytest.raises(RegistryRefused, match="mlflow db upgrade"):
        at(home.rename(home.with_name("older"))).resolve("champion")  # MLflow keeps what it knows of an address


def test_a_deleted_experiment_is_told(registry: Registry, fake_bundle: Bundle) -> None:
    with registry._client() as client:
        client.delete_experiment(registry.experiment())
    with pytest.raises(RegistryRefused, match="active"):
        registry.publish(fake_bundle, alias="champion", source="test")


@pytest.mark.parametrize("alias", ["a b", "latest", "v1", ""])
def test_an_alias_that_mlflow_refuses_is_refused_before_the_upload(
    alias: str, registry: Registry, fake_bundle: Bundle
) -> None:
    with pytest.raises(RegistryRefused, match="alias"):
        registry.publish(fake_bundle, alias=alias, source="test")
    assert not (registry.home / "artifacts").exists()


def test_the_command_line_repeats_mlflows_words(
    home: Path, fake_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LUNAR_HOME", str(home))
    assert main(["publish", str(fake_bundle.path), "--alias", "v1"]) == 1
    assert "Version alias name 'v1' is reserved" in capsys.readouterr().err


def test_a_dead_proxy_is_told_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("http_proxy", "http://name:pr0xy@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    registry = Registry(RegistrySettings(home=tmp_path, tracking_uri="http://user:s3cret@mlflow.invalid"))
    with pytest.raises(RegistryUnavailable, match="proxy") as found:
        registry.resolve("champion")
    assert type(found.value) is RegistryUnavailable
    for secret in ("pr0xy", "s3cret", "t0ken"):
        assert secret not in str(found.value)


def test_messages_are_one_line_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
    assert without_secrets("postgresql://user:pw@host/db\n refuses s3cret") == "postgresql://host/db refuses ***"
    assert len(without_secrets("x" * 10_000)) < 1000
    assert EXPERIMENT in without_secrets(EXPERIMENT)
