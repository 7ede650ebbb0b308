"""The thread that follows the registry goes on, whatever happens to who asked it or to its disk."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from inference.bundle.storage import Bundle
from inference.domain.model_version import ModelVersion
from inference.registry.bundle_cache import BundleCache
from inference.registry.mlflow_registry import Registry
from inference.runtimes import RUNTIMES
from service.serving.alias_watcher import AliasWatcher
from service.settings import Settings
from tests.support.fakes import write_fake_bundle
from tests.support.waiting import LIMIT_S, wait_for

OPEN = Callable[..., TestClient]


@pytest.fixture
def served(registry: Registry, fake_bundle: Bundle) -> Registry:
    """Version 1 is its champion."""
    registry.publish(fake_bundle, alias="champion", source="test")
    return registry


def version(client: TestClient) -> str:
    return str(client.get("/model").json()["model"]["version"])


def publish_another(registry: Registry, folder: Path) -> None:
    registry.publish(write_fake_bundle(folder, seed=7), alias="champion", source="test")


def test_who_gives_up_on_a_reload_does_not_end_the_following(
    served: Registry, open_client: OPEN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_client(home=served.home, registry_poll_s=0.05, request_timeout_s=0.2)
    asked, answers, resolve = threading.Event(), threading.Event(), Registry.resolve

    def hang(self: Registry, alias: str) -> ModelVersion:
        asked.set()
        answers.wait(LIMIT_S)
        return resolve(self, alias)

    monkeypatch.setattr(Registry, "resolve", hang)
    assert asked.wait(LIMIT_S)
    given_up = client.post("/admin/reload")
    assert (given_up.status_code, given_up.json()["type"]) == (503, "urn:lunar:problem:no-registry")
    answers.set()
    publish_another(served, tmp_path / "next")
    wait_for(lambda: version(client) == "2", "version 2 serves")


def test_a_note_that_cannot_be_written_does_not_end_the_following(
    served: Registry, open_client: OPEN, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder stands where the cache notes what serves."""
    (served.home / "cache" / "skin-lesion@champion.json").mkdir(parents=True)
    client = open_client(home=served.home, registry_poll_s=0.05)
    assert version(client) == "1"
    assert "the next start without a registry will not find this model" in caplog.messages
    publish_another(served, tmp_path / "next")
    wait_for(lambda: version(client) == "2", "version 2 serves")


def test_a_deleted_alias_has_moved_once(served: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else no version for the shadow could be verified any more: each verification would give way at once."""
    monkeypatch.setitem(RUNTIMES, "openvino", "tests.support.fakes:FakeRuntime")
    settings = Settings(home=served.home)
    watcher = AliasWatcher("champion", registry=served, cache=BundleCache(served.home), settings=settings)
    assert (watcher.refresh(), watcher.moved()) == ("swapped", False)
    with served._client() as client:
        client.delete_registered_model_alias(served.name, "champion")
    assert watcher.moved()
    assert watcher.refresh() == "unavailable"
    assert not watcher.moved()
    served.move_alias("champion", "1")
    assert watcher.moved()
