"""The service follows the alias: a real MLflow server, real service processes, a proxy that misbehaves."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.bundle.storage import Bundle, open_bundle
from inference.domain.model_version import ModelVersion
from inference.registry.bundle_cache import BundleCache
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support import http
from tests.support.fakes import write_fake_bundle
from tests.support.lesion_images import lesion
from tests.support.mlflow_server import MlflowServer, Mood, Proxy
from tests.support.service_process import PATIENT, running_service
from tests.support.variants import variant
from tests.support.waiting import wait_for

POLL_S = 0.25
IMAGE = lesion(width=320, height=240)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def versions(starter: Bundle, tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """Two bundles whose answers differ."""
    folder = tmp_path_factory.mktemp("versions")
    return [variant(starter, folder / str(t), temperature=t) for t in (1.0, 3.0)]


@pytest.fixture
def proxy(server: MlflowServer) -> Iterator[tuple[Proxy, str]]:
    proxy = Proxy(server.port)
    with proxy.running() as address:
        yield proxy, address


@pytest.fixture
def model(server: MlflowServer, versions: list[Bundle], request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    """A model of its own on the server, version 1 its champion."""
    settings = RegistrySettings(home=tmp_path / "publisher", tracking_uri=server.address, model_name=request.node.name)
    registry = Registry(settings)
    registry.publish(versions[0], alias="champion", source="test")
    return registry


def ask(address: str) -> dict[str, Any]:
    response = http.post(f"{address}/predict", content=IMAGE)
    assert response.status_code == 200, response.text
    return response.json()


def refused(address: str) -> str:
    """Why the last look brought nothing. A prediction is asked for too: version 1 answers it, whatever is going on."""
    assert version(address) == "1"
    return str((http.get(f"{address}/model").json()["refused"] or {"reason": ""})["reason"])


def version(address: str) -> str:
    return str(ask(address)["model"]["version"])


def codes(address: str) -> list[str]:
    """The warnings that have to do with the registry; drawn lesions are also out of distribution, and rightly."""
    return [code for warning in ask(address)["warnings"] if (code := warning["code"]) == "stale_model"]


def gauge(address: str, name: str) -> float:
    lines = http.get(f"{address}/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])


def service(home: Path, model: Registry, address: str, **settings: Any) -> Any:
    home.mkdir(exist_ok=True)
    more = {"tracking_uri": address, "model_name": model.name, "registry_poll_s": str(POLL_S)}
    return running_service(home, **more, **settings)


def test_a_moved_alias_is_followed_and_back_without_a_download(
    model: Registry, proxy: tuple[Proxy, str], versions: list[Bundle], tmp_path: Path
) -> None:
    middle, address = proxy
    model.publish(versions[1], alias="candidate", source="test")
    with service(tmp_path / "home", model, address) as service_address:
        first = ask(service_address)
        model.move_alias("champion", "2")
        wait_for(lambda: version(service_address) == "2", "version 2 serves")
        second = ask(service_address)
        assert second["probabilities"] != pytest.approx(first["probabilities"], abs=1e-3)
        downloads = middle.downloads
        assert downloads > 0
        model.move_alias("champion", "1")
        wait_for(lambda: version(service_address) == "1", "version 1 serves again")
        assert ask(service_address)["probabilities"] == pytest.approx(first["probabilities"], abs=1e-5)
        assert middle.downloads == downloads


@pytest.mark.parametrize("mood", ["refusing", "silent", "garbage"])
def test_no_request_notices_a_registry_that_misbehaves(
    mood: Mood, model: Registry, proxy: tuple[Proxy, str], versions: list[Bundle], tmp_path: Path
) -> None:
    middle, address = proxy
    with service(tmp_path / "home", model, address) as service_address:
        middle.mood, looks = mood, middle.asked
        model.publish(versions[1], alias="champion", source="test")
        wait_for(lambda: middle.asked > looks + 3 and refused(service_address), "it looks, in vain")
        assert ("not MLflow" if mood == "garbage" else "does not answer") in refused(service_address)
        middle.mood = "honest"
        wait_for(lambda: version(service_address) == "2", "all is well again")
        wait_for(lambda: codes(service_address) == [], "it is confirmed")


def test_an_answer_comes_while_the_registry_keeps_the_service_waiting(
    model: Registry, proxy: tuple[Proxy, str], tmp_path: Path
) -> None:
    middle, address = proxy

    def answered_meanwhile() -> bool:
        """Whether the registry owed the same answer before a request and after it; if requests waited, it never did."""
        owed = middle.unanswered
        assert version(service_address) == "1"
        return bool(owed & middle.unanswered)

    with service(tmp_path / "home", model, address) as service_address:
        middle.mood = "silent"
        wait_for(answered_meanwhile, "an answer during a look")


def test_a_download_that_breaks_off_changes_nothing(
    model: Registry, proxy: tuple[Proxy, str], versions: list[Bundle], tmp_path: Path
) -> None:
    middle, address = proxy
    home = tmp_path / "home"
    with service(home, model, address) as service_address:
        middle.mood = "cut"
        downloads = middle.downloads
        model.publish(versions[1], alias="champion", source="test")
        wait_for(lambda: middle.downloads > downloads + 1, "downloads were tried")
        assert version(service_address) == "1"
        finished = [path.name for path in (home / "cache").iterdir() if path.is_dir() and path.name[0] != "."]
        assert finished == [versions[0].manifest.digest]
        middle.mood = "honest"
        wait_for(lambda: version(service_address) == "2", "version 2 serves")


def test_a_server_that_freezes_stops_and_comes_back(server: MlflowServer, model: Registry, tmp_path: Path) -> None:
    """What served last is served through it all, also by a service that starts meanwhile, and says that it is stale."""
    home = tmp_path / "home"
    with service(home, model, server.address) as address:
        wait_for(lambda: (codes(address), gauge(address, "lunar_model_stale")) == ([], 0), "the model is confirmed")
        server.freeze()
        try:
            wait_for(lambda: codes(address) == ["stale_model"], "a frozen registry makes the model stale")
            assert http.get(f"{address}/model").json()["stale"] is True
            second = Path(shutil.copytree(home, tmp_path / "second"))
            with service(second, model, server.address, ready=False, program=PATIENT) as late:
                assert codes(late) == ["stale_model"], "the first answer of a service that starts meanwhile"
        finally:
            server.thaw()
        wait_for(lambda: codes(address) == [], "a thawed one makes it fresh")
    server.stop()
    try:
        with service(home, model, server.address) as address:
            assert (version(address), codes(address)) == ("1", ["stale_model"])
            assert gauge(address, "lunar_model_stale") == 1
            assert http.get(f"{address}/health/ready").status_code == 200
            server.start()
            wait_for(lambda: codes(address) == [], "it is confirmed")
            assert version(address) == "1"
    finally:
        server.stop()
        server.start()


def test_without_registry_and_cache_the_allowed_bundle_serves(tmp_path: Path, starter: Bundle) -> None:
    home = tmp_path / "home"
    (home / "cache").mkdir(parents=True)
    nobody = "http://127.0.0.1:9"
    with running_service(home, tracking_uri=nobody, fallback_bundle=str(starter.path)) as address:
        answer = ask(address)
        assert answer["model"]["version"] == f"sha256:{starter.manifest.digest[:12]}"
        assert answer["model"]["alias"] is None
        assert codes(address) == ["stale_model"]
    # The same if there is something in the cache that cannot be executed here.
    cache = BundleCache(home)
    broken = write_fake_bundle(tmp_path / "broken").path
    digest = open_bundle(broken).manifest.digest
    shutil.copytree(broken, cache.folder / digest)
    cache.remember(ModelVersion("skin-lesion", "7", "champion", digest, "test"))
    with running_service(home, tracking_uri=nobody, fallback_bundle=str(starter.path)) as address:
        assert ask(address)["model"]["version"].startswith("sha256:")


def test_a_damaged_cache_is_no_fallback(model: Registry, server: MlflowServer, tmp_path: Path) -> None:
    """Not even when the registry is away: then there is no model, and the service says so."""
    home = tmp_path / "home"
    with service(home, model, server.address):
        pass
    (folder,) = (path for path in (home / "cache").iterdir() if path.is_dir())
    shutil.move(folder / "graphs/openvino-fp32.bin", folder / "lost")
    with service(home, model, "http://127.0.0.1:9", ready=False) as address:  # type: ignore[arg-type]
        wait_for(lambda: "does not answer" in http.get(f"{address}/health/ready").text, "it says why")
        response = http.post(f"{address}/predict", content=IMAGE)
        assert (response.status_code, response.json()["type"]) == (503, "urn:lunar:problem:no-model")
        assert int(response.headers["Retry-After"]) > 0
