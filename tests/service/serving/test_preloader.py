"""What served last is opened while the registry is being asked, and used only if the registry names it."""

import threading

import pytest

from inference.prediction.classifier import Classifier
from inference.registry.bundle_cache import BundleCache
from inference.registry.mlflow_registry import Registry
from inference.runtimes import RUNTIMES
from inference.settings import RegistrySettings
from service.serving.alias_watcher import AliasWatcher
from service.serving.preloader import Preloader
from service.settings import Settings
from tests.support.fakes import write_fake_bundle
from tests.support.waiting import LIMIT_S

Opened = list[tuple[str, str]]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """The digest of every bundle that is opened, and the thread it was opened in."""
    found: Opened = []
    original = Classifier.open.__func__  # type: ignore[attr-defined]

    def noting(cls: type[Classifier], bundle: object, **settings: object) -> Classifier:
        found.append((bundle.manifest.digest, threading.current_thread().name))  # type: ignore[attr-defined]
        return original(cls, bundle, **settings)  # type: ignore[no-any-return]

    monkeypatch.setitem(RUNTIMES, "openvino", "tests.support.fakes:FakeRuntime")
    monkeypatch.setattr(Classifier, "open", classmethod(noting))
    return found


@pytest.fixture
def registry(tmp_path) -> Registry:
    """A registry whose champion has served once: its bundle is in the cache, and the cache knows."""
    registry = Registry(RegistrySettings(home=tmp_path / "home"))
    version = registry.publish(write_fake_bundle(tmp_path / "first"), alias="champion", source="test")
    cache = BundleCache(registry.home)
    cache.fetch(version, registry)
    cache.remember(version)
    return registry


def start(registry: Registry) -> tuple[AliasWatcher, Preloader]:
    settings, cache = Settings(home=registry.home), BundleCache(registry.home)
    preload = Preloader(cache, settings)
    preload.start()
    return AliasWatcher("champion", registry=registry, cache=cache, settings=settings, preload=preload), preload


def test_what_served_last_is_opened_once_and_beside_the_registry(registry: Registry, opened: Opened) -> None:
    follower, _ = start(registry)
    assert follower.refresh() == "swapped"
    assert follower.served is not None
    digest = follower.served.version.digest
    assert [one for one, _ in opened] == [digest]
    assert opened[0][1].startswith("preload")


def test_what_the_registry_no_longer_names_does_not_serve(registry: Registry, opened: Opened, tmp_path) -> None:
    other = registry.publish(write_fake_bundle(tmp_path / "second", seed=3), alias="champion", source="test")
    follower, preload = start(registry)
    assert follower.refresh() == "swapped"
    assert follower.served is not None
    assert follower.served.version == other
    assert follower.served.classifier.bundle.manifest.digest == other.digest
    preload.drop()
    assert preload.take(opened[0][0]) is None


def test_nobody_waits_for_what_the_registry_no_longer_names(
    registry: Registry, opened: Opened, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish(write_fake_bundle(tmp_path / "second", seed=3), alias="champion", source="test")
    never, noting = threading.Event(), Classifier.open.__func__  # type: ignore[attr-defined]

    def slow(cls: type[Classifier], bundle: object, **settings: object) -> Classifier:
        if threading.current_thread().name.startswith("preload"):
            never.wait(LIMIT_S)
        return noting(cls, bundle, **settings)  # type: ignore[no-any-return]

    monkeypatch.setattr(Classifier, "open", classmethod(slow))
    follower, preload = start(registry)
    try:
        assert follower.refresh() == "swapped"
        assert not never.is_set()
        assert [thread for _, thread in opened] == ["MainThread"]
    finally:
        never.set()
        assert preload._opened
        preload._opened.exception(LIMIT_S)  # as long as the fake runtime is there


def test_what_was_opened_early_is_not_read_again(
    registry: Registry, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower, _ = start(registry)
    monkeypatch.setattr(BundleCache, "fetch", lambda *_: pytest.fail("the bundle was hashed a second time"))
    assert follower.refresh() == "swapped"


def test_what_cannot_be_opened_early_is_opened_again_and_says_why(
    registry: Registry, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RUNTIMES, "openvino", "tests.support.fakes:NoSuchRuntime")
    monkeypatch.setitem(RUNTIMES, "tensorflow", "tests.support.fakes:NoSuchRuntime")
    follower, _ = start(registry)
    assert follower.refresh() == "refused"
    assert len(opened) == 2
    assert follower.refusal is not None and "can execute" in follower.refusal.reason


def test_an_empty_cache_is_no_trouble(tmp_path, opened: Opened) -> None:
    registry = Registry(RegistrySettings(home=tmp_path / "home"))
    registry.publish(write_fake_bundle(tmp_path / "first"), alias="champion", source="test")
    follower, _ = start(registry)
    assert follower.refresh() == "swapped"
    assert not opened[0][1].startswith("preload")
