"""Versions that must never serve: the champion stays, and log, /model and metrics say why."""

import json
import logging
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from fastapi.testclient import TestClient

from inference.bundle import arrays, storage
from inference.bundle.manifest import Manifest
from inference.bundle.storage import Bundle, Golden
from inference.mlflow_model.packaging import BUNDLE_PATH
from inference.registry.bundle_cache import BundleCache
from inference.registry.errors import RegistryUnavailable
from inference.registry.mlflow_registry import MODEL_PATH, Registry
from inference.runtimes import RUNTIMES
from service.serving.alias_watcher import AliasWatcher
from service.settings import Settings
from tests.support.fakes import write_fake_bundle
from tests.support.lesion_images import lesion

pytestmark = pytest.mark.slow  # after OpenVINO, TensorFlow is tried
Damage = Callable[[Path], None]


class Bomb:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)


def sealed(folder: Path, **changes: object) -> None:
    """Rewrite the manifest so that every hash and the digest are right, whatever the content is."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text()) | changes
    found = [name for name in content["files"] if (folder / name).is_file()]
    content["files"] |= {name: storage._sha256(folder / name) for name in found}
    try:
        digest = Manifest.model_validate(content).compute_digest()
    except ValueError:
        digest = content["digest"]  # no valid manifest: refused for that
    path.write_text(json.dumps(content | {"digest": digest}))


def change_a_byte(folder: Path) -> None:
    (folder / "MODEL_CARD.md").write_text("# Another\n")


def lose_a_file(folder: Path) -> None:
    (folder / "head.npz").unlink()


def add_a_file(folder: Path) -> None:
    (folder / "graphs" / "more.bin").write_bytes(b"more")


def change_the_class_order(folder: Path) -> None:
    sealed(folder, classes=["nv", "mel", "df", "bkl", "bcc", "akiec", "vasc"])


def miss_the_golden_cases(folder: Path) -> None:
    with np.load(folder / "golden.npz") as found:
        golden = Golden(found["images"], found["logits"] + np.arange(7, dtype=np.float32))
    np.savez_compressed(folder / "golden.npz", images=golden.images, logits=golden.logits)
    sealed(folder)


def climb_out(folder: Path) -> None:
    sealed(folder, files={"../../outside": "0" * 64})


def climb_out_with_a_graph(folder: Path) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    content["graphs"]["openvino-fp32"]["path"] = "../../../outside.xml"
    sealed(folder, graphs=content["graphs"])


def link_away(folder: Path) -> None:
    (folder / "MODEL_CARD.md").unlink()
    (folder / "MODEL_CARD.md").symlink_to("/etc/hostname")


def pickle_the_head(folder: Path) -> None:
    (folder / "head.npz").write_bytes(pickle.dumps(Bomb()))
    sealed(folder)


def pickle_inside_the_head(folder: Path) -> None:
    np.savez(folder / "head.npz", w=np.array([Bomb()], dtype=object), b=np.zeros(7, np.float32))
    sealed(folder)


def promise_a_giant(folder: Path) -> None:
    with zipfile.ZipFile(folder / "golden.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", b"\0" * (arrays.MAX_ARRAY_BYTES + 1))
    sealed(folder)


DAMAGES: dict[Damage, str] = {
    change_a_byte: "MODEL_CARD.md does not have the hash",
    lose_a_file: "Missing from the bundle: head.npz",
    add_a_file: "Not listed in the manifest: graphs/more.bin",
    change_the_class_order: "the classes must be akiec",
    miss_the_golden_cases: "misses the golden cases",
    climb_out: "leaves the bundle",
    climb_out_with_a_graph: "lists no hash for",
    link_away: "MODEL_CARD.md does not have the hash",
    pickle_the_head: "head.npz cannot be read",
    pickle_inside_the_head: "head.npz cannot be read",
    promise_a_giant: "unpacks to",
}


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
