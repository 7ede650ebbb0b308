"""The client of the registry, with a real MLflow registry in a sqlite file."""

import os
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from inference.bundle.storage import Bundle, open_bundle
from inference.registry.__main__ import main, register_starter
from inference.registry.errors import NoSuchModel, RegistryUnavailable
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.fakes import write_fake_bundle


def test_published_resolved_downloaded(registry: Registry, home: Path, fake_bundle: Bundle) -> None:
    published = registry.publish(fake_bundle, alias="candidate", source="test")
    assert registry.resolve("candidate") == published
    assert (published.version, published.digest) == ("1", fake_bundle.manifest.digest)
    folder = home / "here"
    folder.mkdir()
    assert open_bundle(registry.download(published, folder)).manifest == fake_bundle.manifest


def test_unknown_models_and_aliases_are_told_from_an_absent_registry(
    registry: Registry, fake_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoSuchModel):
        registry.resolve("champion")
    registry.publish(fake_bundle, alias="candidate", source="test")
    with pytest.raises(NoSuchModel):
        registry.resolve("champion")
    with pytest.raises(NoSuchModel):
        registry.move_alias("champion", "77")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    nobody = Registry(RegistrySettings(home=tmp_path / "other", tracking_uri="http://127.0.0.1:9"))
    with pytest.raises(RegistryUnavailable, match=r"127\.0\.0\.1:9"):
        nobody.resolve("champion")


def test_the_starter_is_registered_by_the_rule(registry: Registry, tmp_path: Path) -> None:
    """It is published if there is no champion or an older starter, but does not replace a promoted version."""
    first, second, theirs = (write_fake_bundle(tmp_path / name, seed=i) for i, name in enumerate("abc"))
    assert register_starter(registry, first, alias="champion").version == "1"
    assert register_starter(registry, first, alias="champion").version == "1"
    assert register_starter(registry, second, alias="champion").version == "2"
    promoted = registry.publish(theirs, alias="candidate", source="training")
    registry.move_alias("champion", promoted.version)
    assert register_starter(registry, first, alias="champion").version == promoted.version
    assert registry.resolve("champion").digest == theirs.manifest.digest


def test_the_command_line(
    home: Path, fake_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("LUNAR_HOME", str(home))
    assert main(["starter", str(fake_bundle.path)]) == 0
    assert main(["publish", str(fake_bundle.path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("skin-lesion@champion is version 1 (starter, ")
    assert lines[1].startswith("skin-lesion@candidate is version 2 (manual, ")
    assert main(["publish", str(tmp_path)]) == 1
    assert "manifest" in capsys.readouterr().err


def test_mlflow_is_told_to_keep_quiet(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry is off unless the administrator turns it on."""
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    registry.experiment()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    registry.experiment()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"


def test_the_version_before_is_remembered(registry: Registry, tmp_path: Path) -> None:
    for seed in (0, 1):
        registry.publish(write_fake_bundle(tmp_path / str(seed), seed=seed), alias="candidate", source="test")
    assert registry.version("1").run is not None
    registry.move_alias("champion", "1")
    assert registry.previous("champion") is None
    registry.move_alias("champion", "2")
    assert registry.previous("champion") == "1"
    registry.move_alias("champion", "2")
    assert registry.previous("champion") == "1"
    registry.move_alias("champion", "1")  # back again
    registry.publish(write_fake_bundle(tmp_path / "2", seed=2), alias="champion", source="test")
    assert registry.previous("champion") == "1", "not 2, which was withdrawn"
    with pytest.raises(NoSuchModel):
        registry.version("9")


@pytest.mark.parametrize("call", ["set_registered_model_tag", "set_registered_model_alias"])
def test_a_move_that_fails_half_way_forgets_no_version(
    call: str, registry: Registry, fake_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        registry.publish(fake_bundle, alias="candidate", source="test")
    for version in "12":
        registry.move_alias("champion", version)

    def fail(*_: object) -> None:
        raise MlflowException("The server is gone.")

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, call, fail)
        with pytest.raises(RegistryUnavailable):
            registry.move_alias("champion", "3")
    assert registry.resolve("champion").version == "2"
    assert registry.previous("champion") == "1"
    registry.move_alias("champion", "3")
    assert registry.roll_back("champion") == "2"
    assert registry.resolve("champion").version == "2"


def test_a_registry_of_the_first_edition_knows_the_version_before(registry: Registry, fake_bundle: Bundle) -> None:
    registry.publish(fake_bundle, alias="champion", source="test")
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    client.set_registered_model_tag(registry.name, "previous.champion", "7")
    assert registry.previous("champion") == "7"


def test_a_sqlite_address_keeps_its_artifacts_at_home(tmp_path: Path, fake_bundle: Bundle) -> None:
    home = tmp_path / "home"
    registry = Registry(RegistrySettings(home=home, tracking_uri=f"sqlite:///{tmp_path / 'own.db'}"))
    registry.publish(fake_bundle, alias="champion", source="test")
    assert (home / "artifacts").is_dir()
    assert not (Path.cwd() / "mlruns").exists()


def test_passwords_in_the_address_are_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    nobody = Registry(RegistrySettings(home=tmp_path, tracking_uri="http://user:s3cret@127.0.0.1:9"))
    with pytest.raises(RegistryUnavailable) as found:
        nobody.resolve("champion")
    assert "127.0.0.1:9" in str(found.value)
    assert "s3cret" not in str(found.value)
