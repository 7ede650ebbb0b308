"""Versions that must never serve: the champion stays, and log, /model and metrics say why."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from fastapi.testclient import TestClient

from inference.bundle.storage import Bundle
from inference.mlflow_model.packaging import BUNDLE_PATH
from inference.registry.bundle_cache import BundleCache
from inference.registry.errors import RegistryUnavailable
from inference.registry.mlflow_registry import MODEL_PATH, Registry
from inference.runtimes import RUNTIMES
from service.serving.alias_watcher import AliasWatcher
from service.settings import Settings
from tests.support.bundle_damage import DAMAGES, Damage, lose_a_file, miss_the_golden_cases, sealed
from tests.support.fakes import write_fake_bundle
from tests.support.lesion_images import lesion

pytestmark = pytest.mark.slow  # after OpenVINO, TensorFlow is tried


def publish_unchecked(registry: Registry, folder: Path) -> None:
    """Put a folder into the registry as champion as anybody with write access could, past our own checks."""
    digest = json.loads((folder / "manifest.json").read_text())["digest"]
    with registry._client() as client:
        run = client.create_run(registry.experiment()).info.run_id
        client.log_artifacts(run, str(folder), f"{MODEL_PATH}/{BUNDLE_PATH}")
        made = client.create_model_version(
            registry.name,
            f"runs:/{run}/{MODEL_PATH}",
            run,
            tags={"digest": digest, "source": "stranger"},
        )
        client.set_registered_model_alias(registry.name, "champion", made.version)


@pytest.fixture
def served(registry: Registry, fake_bundle: Bundle) -> Settings:
    registry.publish(fake_bundle, alias="champion", source="test")
    return Settings(home=registry.home)


def refused(client: TestClient, caplog: pytest.LogCaptureFixture) -> str:
    """Reload, see that version 1 still serves, and return the reason in the log."""
    with caplog.at_level(logging.WARNING, "service.serving.alias_watcher"):
        response = client.post("/admin/reload")
    assert response.status_code == 409, response.text
    assert response.json()["type"] == "urn:lunar:problem:refused-version"
    assert client.post("/predict", content=lesion()).json()["model"]["version"] == "1"
    model = client.get("/model").json()
    assert (model["model"]["version"], model["refused"]["version"]) == ("1", "2")
    assert model["refused"]["reason"] == response.json()["detail"]
    counted = 'lunar_registry_looks_total{alias="champion",outcome="refused"}'
    assert any(line.startswith(counted) for line in client.get("/metrics").text.splitlines())
    return str(caplog.records[-1].reason)  # type: ignore[attr-defined]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_spoiled_bundle_never_serves(
    damage: Damage,
    served: Settings,
    registry: Registry,
    open_client: Callable[..., TestClient],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    client = open_client(**served.model_dump())
    folder = write_fake_bundle(tmp_path / "spoiled", seed=5).path
    damage(folder)
    publish_unchecked(registry, folder)
    assert DAMAGES[damage] in refused(client, caplog)
    assert not (tmp_path / "exploded").exists()
    cached = [path.name for path in (registry.home / "cache").iterdir() if path.is_dir()]
    assert json.loads((folder / "manifest.json").read_text())["digest"] not in cached or damage is miss_the_golden_cases


def test_a_file_that_is_no_model_never_serves(
    served: Settings,
    registry: Registry,
    open_client: Callable[..., TestClient],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = open_client(**served.model_dump())
    monkeypatch.setitem(RUNTIMES, "openvino", "inference.runtimes.openvino:OpenVinoRuntime")
    publish_unchecked(registry, write_fake_bundle(tmp_path / "spoiled", seed=5).path)  # <fake/> is no graph
    assert "openvino cannot load the bundle's graph" in refused(client, caplog)


def test_a_keras_file_with_a_lambda_never_runs(
    served: Settings,
    registry: Registry,
    open_client: Callable[..., TestClient],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tensorflow: ModuleType,
) -> None:
    keras = tensorflow.keras
    client = open_client(**served.model_dump())
    monkeypatch.chdir(tmp_path)
    # What auto would try second; the first one is not to be had here.
    monkeypatch.setitem(RUNTIMES, "openvino", "inference.runtimes.tensorflow:TensorFlowRuntime")
    folder = write_fake_bundle(tmp_path / "spoiled", seed=5).path
    image = keras.Input((32, 32, 3), dtype="uint8")
    explode = keras.layers.Lambda(lambda x: (Path("exploded").touch(), x)[1], output_shape=(32, 32, 3))
    keras.Model(image, explode(image)).save(folder / "graphs/keras.keras")
    (tmp_path / "exploded").unlink(missing_ok=True)
    content = json.loads((folder / "manifest.json").read_text())
    content["graphs"]["keras"] = content["graphs"]["openvino-fp32"] | {"path": "graphs/keras.keras"}
    sealed(folder, graphs=content["graphs"], files=content["files"] | {"graphs/keras.keras": ""})
    publish_unchecked(registry, folder)
    assert "cannot load the bundle's graph" in refused(client, caplog)
    assert not (tmp_path / "exploded").exists()


def test_an_absurd_size_is_not_even_downloaded(
    served: Settings,
    registry: Registry,
    open_client: Callable[..., TestClient],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = open_client(**served.model_dump())
    monkeypatch.setattr("inference.registry.mlflow_registry.MAX_BUNDLE_BYTES", 1000)
    publish_unchecked(registry, write_fake_bundle(tmp_path / "spoiled", seed=5).path)
    assert "allowed: 1,000" in refused(client, caplog)


def test_what_was_refused_is_left_alone_until_somebody_insists(
    served: Settings, registry: Registry, open_client: Callable[..., TestClient], tmp_path: Path
) -> None:
    """The repaired artifacts of a refused version serve at the next reload; before, they are not downloaded again."""
    client = open_client(**served.model_dump())
    bundle = write_fake_bundle(tmp_path / "late", seed=5)
    keep = shutil.copytree(bundle.path, tmp_path / "keep")
    lose_a_file(bundle.path)
    publish_unchecked(registry, bundle.path)
    assert client.post("/admin/reload").status_code == 409
    folders = [path.parent for path in (registry.home / "artifacts").rglob("manifest.json")]
    (stored,) = (folder for folder in folders if not (folder / "head.npz").exists())
    shutil.copy(keep / "head.npz", stored)
    assert client.get("/model").json()["model"]["version"] == "1"
    answer = client.post("/admin/reload")
    assert (answer.status_code, answer.json()["outcome"]) == (200, "swapped")
    assert answer.json()["model"]["version"] == "2"


def test_a_refused_version_is_not_downloaded_at_every_look(
    served: Settings, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RUNTIMES, "openvino", "tests.support.fakes:FakeRuntime")
    follower = AliasWatcher("champion", registry=registry, cache=BundleCache(registry.home), settings=served)
    assert follower.refresh() == "swapped"
    folder = write_fake_bundle(tmp_path / "spoiled", seed=5).path
    lose_a_file(folder)
    publish_unchecked(registry, folder)
    assert follower.refresh() == "refused"
    shutil.rmtree(registry.home / "artifacts")
    assert follower.refresh() == "refused", "it was asked for again"
    assert follower.refresh(force=True) in ("refused", "unavailable")
    assert follower.served is not None
    assert follower.served.version.version == "1"


def follow(registry: Registry, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AliasWatcher:
    monkeypatch.setitem(RUNTIMES, "openvino", "tests.support.fakes:FakeRuntime")
    return AliasWatcher("champion", registry=registry, cache=BundleCache(registry.home), settings=settings)


def test_a_version_without_files_is_refused(
    served: Settings, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = follow(registry, served, monkeypatch)
    assert follower.refresh() == "swapped"
    publish_unchecked(registry, write_fake_bundle(tmp_path / "other", seed=5).path)
    shutil.rmtree(registry.home / "artifacts")
    assert follower.refresh() == "refused"
    assert follower.refusal is not None
    assert "files of the registered version are missing" in follower.refusal.reason


def test_the_reason_survives_a_moment_without_the_registry(
    served: Settings, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = follow(registry, served, monkeypatch)
    folder = write_fake_bundle(tmp_path / "spoiled", seed=5).path
    lose_a_file(folder)
    publish_unchecked(registry, folder)
    assert follower.refresh() == "refused"
    reason = follower.refusal
    with monkeypatch.context() as away:
        away.setattr(registry, "resolve", lambda _: (_ for _ in ()).throw(RegistryUnavailable("away")))
        assert follower.refresh() == "unavailable"
    assert follower.refresh() == "refused"
    assert follower.refusal == reason
