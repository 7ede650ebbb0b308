"""The bundle cache with a real registry: every bundle in it is whole and verified."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from inference.bundle import storage
from inference.bundle.storage import Bundle, InvalidBundle, open_bundle
from inference.domain.model_version import ModelVersion
from inference.registry import bundle_cache
from inference.registry.bundle_cache import ABANDONED_S, BundleCache, CacheUnwritable
from inference.registry.mlflow_registry import Registry
from tests.support.fakes import write_fake_bundle
from tests.support.waiting import LIMIT_S


@pytest.fixture
def cache(registry: Registry) -> BundleCache:
    return BundleCache(registry.home)


@pytest.fixture
def version(registry: Registry, fake_bundle: Bundle) -> ModelVersion:
    return registry.publish(fake_bundle, alias="champion", source="test")


def folders(cache: BundleCache) -> list[str]:
    return [path.name for path in cache.folder.iterdir() if path.is_dir()]


def test_a_cached_bundle_needs_no_download(cache: BundleCache, registry: Registry, version: ModelVersion) -> None:
    assert cache.fetch(version, registry).path.parent == cache.folder
    shutil.rmtree(registry.home / "artifacts")
    assert cache.fetch(version, registry).manifest.digest == version.digest


def test_a_damaged_cache_is_downloaded_again(
    cache: BundleCache, registry: Registry, version: ModelVersion, fake_bundle: Bundle
) -> None:
    (cache.fetch(version, registry).path / "head.npz").write_bytes(b"")
    assert cache.fetch(version, registry).manifest == fake_bundle.manifest
    assert folders(cache) == [version.digest]


def test_another_bundle_in_a_folder_of_this_name_is_not_taken(
    cache: BundleCache, registry: Registry, version: ModelVersion, tmp_path: Path
) -> None:
    cache.folder.mkdir()
    shutil.copytree(write_fake_bundle(tmp_path / "other", seed=9).path, cache.folder / version.digest)
    assert cache.fetch(version, registry).manifest.digest == version.digest


def test_a_bundle_that_is_not_what_its_tag_says_is_refused(
    cache: BundleCache, registry: Registry, version: ModelVersion
) -> None:
    with pytest.raises(InvalidBundle, match="digest that is not its bundle's"):
        cache.fetch(replace(version, digest="f" * 64), registry)
    assert folders(cache) == []


@pytest.mark.parametrize("digest", ["", "short", "../../../../etc", "F" * 64])
def test_a_version_that_lunar_did_not_publish_is_refused(
    cache: BundleCache, registry: Registry, version: ModelVersion, digest: str
) -> None:
    with pytest.raises(InvalidBundle, match="no digest tag"):
        cache.fetch(replace(version, digest=digest), registry)


def test_many_threads_download_without_harm(cache: BundleCache, registry: Registry, version: ModelVersion) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.fetch(version, registry).manifest.digest)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [version.digest] * 4
    assert folders(cache) == [version.digest]


FETCH = """
import sys
from pathlib import Path
from inference.registry.bundle_cache import BundleCache
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
registry = Registry(RegistrySettings(home=Path(sys.argv[1])))
for _ in range(5):
    bundle = BundleCache(registry.home).fetch(registry.resolve("champion"), registry)
    (bundle.path / "head.npz").unlink(missing_ok=True)  # the next one must repair what this one broke
print(bundle.manifest.digest)
"""


@contextmanager
def _running(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_two_processes_share_one_cache_that_both_break_and_repair(registry: Registry, version: ModelVersion) -> None:
    command = [sys.executable, "-c", FETCH, str(registry.home)]
    with ExitStack() as both:
        for process in [both.enter_context(_running(command)) for _ in range(2)]:
            printed, complaints = process.communicate(timeout=LIMIT_S)
            assert (process.returncode, printed.strip()) == (0, version.digest), complaints
    assert BundleCache(registry.home).fetch(version, registry).manifest.digest == version.digest


def test_a_damaged_bundle_that_another_process_put_there_meanwhile_is_not_taken(
    cache: BundleCache, registry: Registry, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = registry.download

    def overtaken(version: ModelVersion, folder: Path) -> Path:
        place = cache.folder / version.digest
        shutil.copytree(download(version, Path(tempfile.mkdtemp(dir=folder))), place)
        (place / "head.npz").write_bytes(b"")
        return download(version, folder)

    monkeypatch.setattr(registry, "download", overtaken)
    assert open_bundle(cache.fetch(version, registry).path).manifest.digest == version.digest
    assert folders(cache) == [version.digest]


def test_a_folder_that_is_damaged_without_end_is_told(
    cache: BundleCache, registry: Registry, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def occupied(folder: Path, target: Path) -> None:
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(folder), None, str(target))

    monkeypatch.setattr(Path, "rename", occupied)
    with pytest.raises(CacheUnwritable, match="damaged by another process whenever it is written"):
        cache.fetch(version, registry)


def test_a_bundle_that_another_process_takes_away_while_it_is_read_is_downloaded(
    cache: BundleCache, registry: Registry, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, hash_of = cache.fetch(version, registry).path, storage._sha256

    def taken_away(file: Path) -> str:
        monkeypatch.undo()
        place.rename(cache.folder / ".download-other")
        return hash_of(file)

    monkeypatch.setattr(storage, "_sha256", taken_away)
    assert open_bundle(cache.fetch(version, registry).path).manifest.digest == version.digest


def test_what_another_process_has_repaired_is_not_thrown_away(
    cache: BundleCache, registry: Registry, version: ModelVersion, fake_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = cache.fetch(version, registry).path
    (place / "head.npz").write_bytes(b"")
    repaired = Path(shutil.copytree(fake_bundle.path, cache.folder / ".download-other" / "bundle"))
    theirs = repaired.stat().st_ino

    def overtaken(folder: Path) -> Bundle:
        monkeypatch.undo()
        try:
            return open_bundle(folder)
        finally:
            shutil.rmtree(place)
            repaired.rename(place)

    monkeypatch.setattr(bundle_cache, "open_bundle", overtaken)
    assert cache.fetch(version, registry).path.stat().st_ino == theirs


@pytest.fixture
def tiny_disk(registry: Registry) -> Iterator[Path]:
    """A real file system of 64 kB at the place of the cache."""
    folder = registry.home / "cache"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]).returncode:
        pytest.skip("no file system can be mounted here: needs root and CAP_SYS_ADMIN")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("told", [True, False], ids=["seen before", "met while writing"])
def test_a_full_disk_is_told_and_leaves_nothing(
    told: bool, tiny_disk: Path, cache: BundleCache, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_fake_bundle(tmp_path / "large")
    (bundle.path / "MODEL_CARD.md").write_bytes(os.urandom(200_000))
    version = registry.publish(bundle, alias="champion", source="test")
    if not told:
        plenty = shutil.disk_usage("/")._replace(free=10**12)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: plenty)
    with pytest.raises(CacheUnwritable, match=os.strerror(errno.ENOSPC)):
        cache.fetch(version, registry)
    assert list(tiny_disk.iterdir()) == []


def test_what_served_last_is_remembered(
    cache: BundleCache, registry: Registry, version: ModelVersion, tmp_path: Path
) -> None:
    assert cache.recall(version.name, "champion") is None
    bundle = cache.fetch(version, registry)
    cache.remember(version)
    recalled = cache.recall(version.name, "champion")
    assert recalled is not None
    assert (recalled[0].path, recalled[1]) == (bundle.path, version)
    assert cache.recall(version.name, "challenger") is None
    (bundle.path / "golden.npz").write_bytes(b"")
    assert cache.recall(version.name, "champion") is None, "a damaged bundle must not serve"


def test_a_note_that_cannot_be_written_leaves_nothing(
    cache: BundleCache, registry: Registry, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.fetch(version, registry)
    before = sorted(cache.folder.iterdir())

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(Path, "replace", refuse)
        with pytest.raises(CacheUnwritable, match="cannot be written"):
            cache.remember(version)
    assert sorted(cache.folder.iterdir()) == before


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"name": 1}', "\0"])
def test_a_damaged_note_is_no_note(cache: BundleCache, registry: Registry, version: ModelVersion, note: str) -> None:
    cache.fetch(version, registry)
    cache.remember(version)
    (cache.folder / "skin-lesion@champion.json").write_text(note)
    assert cache.recall(version.name, "champion") is None


def test_downloads_that_were_killed_are_swept(cache: BundleCache, registry: Registry, version: ModelVersion) -> None:
    old, young = cache.folder / ".download-old", cache.folder / ".download-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
    long_ago = time.time() - ABANDONED_S - 1
    os.utime(old, (long_ago, long_ago))
    cache.fetch(version, registry)
    assert sorted(folders(cache)) == [young.name, version.digest]
