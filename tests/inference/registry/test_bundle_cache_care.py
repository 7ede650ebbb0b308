"""Bundles that the cache must not delete, names that it must distinguish, and a disk that refuses."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.bundle.storage import Bundle
from inference.domain.model_version import ModelVersion
from inference.registry.bundle_cache import BundleCache, CacheUnwritable
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


def test_a_move_that_the_disk_refuses_is_told_with_its_reason(
    registry: Registry, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a place that is taken means that another process was faster."""

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(CacheUnwritable, match=os.strerror(errno.EROFS)):
        BundleCache(registry.home).fetch(version, registry)
