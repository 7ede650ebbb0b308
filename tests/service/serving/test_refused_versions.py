"""A refused version: it is not downloaded at every look, the wait grows, and what serves goes on."""

import logging
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from inference.bundle.storage import Bundle
from inference.domain.model_version import ModelVersion
from inference.prediction.classifier import Classifier
from inference.registry.bundle_cache import BundleCache
from inference.registry.errors import RegistryUnavailable
from inference.registry.mlflow_registry import Registry
from inference.runtimes import RUNTIMES
from service.serving import alias_watcher
from service.serving.alias_watcher import AliasWatcher
from service.settings import Settings
from tests.support.fakes import write_fake_bundle
from tests.support.waiting import wait_for

OPEN = Callable[..., TestClient]
POLL_S = 15.0


def publish_without_a_file(registry: Registry, folder: Path) -> None:
    """Version 2, the champion from now on; its bundle lacks its head."""
    version = registry.publish(write_fake_bundle(folder, seed=5), alias="candidate", source="test")
    (stored,) = (registry.home / "artifacts" / str(version.run)).rglob("head.npz")
    stored.unlink()  # before the alias moves: a service that looks all the time must not get the whole bundle
    registry.move_alias("champion", version.version)


@pytest.fixture
def first(registry: Registry, fake_bundle: Bundle) -> ModelVersion:
    """Version 1, the champion."""
    return registry.publish(fake_bundle, alias="champion", source="test")


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions that are downloaded, in order."""
    found: list[str] = []
    download = Registry.download

    def noting(self: Registry, version: ModelVersion, into: Path) -> Path:
        found.append(version.version)
        return download(self, version, into)

    monkeypatch.setattr(Registry, "download", noting)
    return found


@pytest.fixture
def follower(registry: Registry, first: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> AliasWatcher:
    """It serves version 1."""
    monkeypatch.setitem(RUNTIMES, "openvino", "tests.support.fakes:FakeRuntime")
    settings = Settings(home=registry.home, registry_poll_s=POLL_S)
    follower = AliasWatcher("champion", registry=registry, cache=BundleCache(registry.home), settings=settings)
    assert follower.refresh() == "swapped"
    return follower


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """`now` is what the follower takes for the time, in seconds."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(alias_watcher, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.mark.usefixtures("first")
def test_the_service_looks_more_often_than_it_downloads(
    registry: Registry, downloads: list[str], open_client: OPEN, tmp_path: Path
) -> None:
    client = open_client(home=registry.home, registry_poll_s=0.05)
    publish_without_a_file(registry, tmp_path / "spoiled")

    def refusals() -> float:
        counter = 'lunar_registry_looks_total{alias="champion",outcome="refused"}'
        lines = client.get("/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(counter)).rpartition(" ")[2])

    wait_for(lambda: refusals() >= downloads.count("2") + 3, "looks that refuse without a download")
    assert "2" in downloads
    answer = client.get("/model").json()
    assert (answer["model"]["version"], answer["refused"]["version"]) == ("1", "2")


def test_the_wait_doubles_up_to_its_limit(
    follower: AliasWatcher, registry: Registry, downloads: list[str], clock: SimpleNamespace, tmp_path: Path
) -> None:
    publish_without_a_file(registry, tmp_path / "spoiled")
    assert follower.refresh() == "refused"
    assert downloads == ["2"]
    for tries, wait in enumerate((15, 30, 60, 120, 240, 480, 900, 900), start=1):
        clock.now += wait - 1
        assert follower.refresh() == "refused"
        assert len(downloads) == tries, f"tried again before {wait} s had passed"
        clock.now += 1
        assert follower.refresh() == "refused"
        assert len(downloads) == tries + 1, f"not tried again after {wait} s"
    assert follower.refresh(force=True) == "refused"
    assert len(downloads) == 10


def test_an_alias_that_was_moved_away_and_back_is_tried_at_once(
    follower: AliasWatcher, registry: Registry, downloads: list[str], tmp_path: Path
) -> None:
    publish_without_a_file(registry, tmp_path / "spoiled")
    assert follower.refresh() == "refused"
    registry.move_alias("champion", "1")
    assert (follower.refresh(), follower.refusal) == ("unchanged", None)
    registry.move_alias("champion", "2")
    assert follower.refresh() == "refused"
    assert downloads == ["2", "2"]


def test_a_version_that_fails_in_an_unknown_way_is_refused_too(
    follower: AliasWatcher,
    registry: Registry,
    downloads: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry.publish(write_fake_bundle(tmp_path / "other", seed=5), alias="champion", source="test")

    def explode(*_: object, **__: object) -> Classifier:
        raise ArithmeticError("/secret/place")

    monkeypatch.setattr(Classifier, "open", explode)
    assert [follower.refresh() for _ in range(3)] == ["refused"] * 3
    assert downloads == ["2"]
    assert follower.refusal is not None
    assert follower.refusal.reason == "skin-lesion@champion: it cannot be loaded."
    assert "/secret/place" in caplog.text, "the log has the reason"


def test_the_same_reason_is_logged_once(
    follower: AliasWatcher,
    registry: Registry,
    clock: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def said() -> int:
        return sum("the model in service stays" in line for line in caplog.messages)

    publish_without_a_file(registry, tmp_path / "spoiled")
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            follower.refresh()
            clock.now += 1000
        assert said() == 1

        def away(_: Registry, alias: str) -> ModelVersion:
            raise RegistryUnavailable(alias)

        monkeypatch.setattr(Registry, "resolve", away)
        assert [follower.refresh() for _ in range(3)] == ["unavailable"] * 3
        assert said() == 2


def test_the_same_bundle_under_another_number_is_not_opened_again(
    follower: AliasWatcher, registry: Registry, fake_bundle: Bundle
) -> None:
    before = follower.served
    registry.publish(fake_bundle, alias="champion", source="test")
    assert follower.refresh() == "swapped"
    assert before is not None
    assert follower.served is not None
    assert follower.served.version.version == "2"
    assert follower.served.classifier is before.classifier


def test_a_model_that_serves_no_more_is_let_go_of(
    registry: Registry, first: ModelVersion, open_client: OPEN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that was opened early, from the cache: two models at a time take twice the memory."""
    cache = BundleCache(registry.home)
    cache.fetch(first, registry)
    cache.remember(first)
    opened: list[weakref.ref[Classifier]] = []
    original = Classifier.open.__func__  # type: ignore[attr-defined]

    def noting(cls: type[Classifier], bundle: Bundle, **settings: object) -> Classifier:
        found: Classifier = original(cls, bundle, **settings)
        opened.append(weakref.ref(found))
        return found

    monkeypatch.setattr(Classifier, "open", classmethod(noting))
    client = open_client(home=registry.home)
    assert len(opened) == 1
    registry.publish(write_fake_bundle(tmp_path / "next", seed=3), alias="champion", source="test")
    assert client.post("/admin/reload").json()["outcome"] == "swapped"
    wait_for(lambda: opened[0]() is None, "the first model is gone")
