"""Bundles that the cache must not delete, and names that it must distinguish."""

from dataclasses import replace

import numpy as np
import pytest

from inference.bundle.storage import Bundle
from inference.domain.model_version import ModelVersion
from inference.registry.bundle_cache import BundleCache
from inference.registry.mlflow_registry import Registry


@pytest.fixture
def version(registry: Registry, fake_bundle: Bundle) -> ModelVersion:
    return registry.publish(fake_bundle, alias="champion", source="test")


def test_a_bundle_that_does_not_fit_into_memory_now_is_kept(
    registry: Registry, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundle is whole, and without the registry it is the only copy."""
    cache = BundleCache(registry.home)
    place = cache.fetch(version, registry).path
    cache.remember(version)
    before = place.stat().st_ino

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as scarce:
        scarce.setattr(np, "load", fail)
        assert cache.recall(version.name, "champion") is None
    assert place.stat().st_ino == before
    recalled = cache.recall(version.name, "champion")
    assert recalled is not None
    assert recalled[1] == version


@pytest.mark.parametrize("name", ["../outside", "clinic/skin", "a@b", "ñ %2F"])
def test_no_name_of_a_model_leads_out_of_the_cache(registry: Registry, version: ModelVersion, name: str) -> None:
    cache = BundleCache(registry.home)
    cache.fetch(version, registry)
    before = set(registry.home.rglob("*"))
    cache.remember(replace(version, name=name))
    (note,) = set(registry.home.rglob("*")) - before
    assert note.parent == cache.folder
    recalled = cache.recall(name, "champion")
    assert recalled is not None
    assert recalled[1].name == name
    assert cache.recall(version.name, "champion") is None
