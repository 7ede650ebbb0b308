"""A cache of verified bundles by digest, from which a model can be served while the registry is unavailable.

Several threads and processes may share the folder without a lock: a bundle is downloaded into a temporary folder,
verified, and moved to its place by one rename.
"""

import errno
import json
import logging
import os
import re
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import quote

from inference.bundle.storage import Bundle, InvalidBundle, open_bundle
from inference.domain.model_version import ModelVersion
from inference.registry.mlflow_registry import Registry

ABANDONED_S = 86_400  # age at which the folder of a download, which may take hours, counts as left by a killed process
ATTEMPTS = 5  # to move a download to its place while other processes put damaged bundles there

log = logging.getLogger(__name__)


class CacheUnwritable(RuntimeError):
    """The disk is full, the folder is not writable, or another process keeps damaging its bundles."""


class BundleCache:
    """The cache in the folder `home`/cache: one folder a bundle, and one note for each alias in service."""

    def __init__(self, home: Path) -> None:
        self.folder = home.resolve() / "cache"
        self.compiled = home.resolve() / "compiled"  # see inference.runtimes.compiled_graphs
        self._find_lock = threading.Lock()  # no thread reads a bundle that another thread discards

    def fetch(self, version: ModelVersion, registry: Registry) -> Bundle:
        """The verified bundle of a version, from the cache or downloaded.

        Raises InvalidBundle, CacheUnwritable, and what Registry.download raises.
        """
        if not re.fullmatch("[0-9a-f]{64}", version.digest):
            raise InvalidBundle(f"{version.name} {version.version} has no digest tag: it was not published by Lunar.")
        try:
            return self._find(version.digest) or self._download(version, registry)
        except OSError as error:
            raise CacheUnwritable(f"{self.folder} cannot hold {version.name} {version.version}: {error}") from error

    def remember(self, version: ModelVersion) -> None:
        """Store that this version is in service under its alias. Raises CacheUnwritable."""
        path, staging = self._note(version.name, version.alias or ""), None
        try:
            with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=self.folder, delete=False) as staging:
                json.dump(asdict(version), staging)
            Path(staging.name).replace(path)
        except OSError as error:
            if staging:
                Path(staging.name).unlink(missing_ok=True)
            raise CacheUnwritable(f"{path} cannot be written: {error}") from error

    def recall(self, name: str, alias: str) -> tuple[Bundle, ModelVersion] | None:
        """The version that was last in service under an alias; None if its bundle is missing or damaged."""
        try:
            version = ModelVersion(**json.loads(self._note(name, alias).read_text(encoding="utf-8")))
            bundle = self._find(version.digest)
        except (OSError, ValueError, TypeError):
            return None
        return (bundle, version) if bundle else None

    def _note(self, name: str, alias: str) -> Path:
        return self.folder / f"{quote(name, safe='')}@{quote(alias, safe='')}.json"

    def _find(self, digest: str) -> Bundle | None:
        with self._find_lock:
            return self._verified(digest, self.folder / digest)

    def _verified(self, digest: str, place: Path) -> Bundle | None:
        try:
            status = place.stat()
        except FileNotFoundError:
            return None
        try:
            bundle = open_bundle(place)
            if bundle.manifest.digest != digest:
                raise InvalidBundle("Its digest differs from the name of its folder.")
        except InvalidBundle as error:
            log.warning("a cached bundle is damaged", extra={"bundle": digest, "reason": str(error)})
            if not isinstance(error.__cause__, MemoryError):  # this machine lacks memory at the moment
                _discard(place, status)
            return None
        return replace(bundle, compiled=self.compiled)

    def _download(self, version: ModelVersion, registry: Registry) -> Bundle:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        staging = Path(tempfile.mkdtemp(prefix=".download-", dir=self.folder))
        try:
            bundle = open_bundle(registry.download(version, staging))
            if bundle.manifest.digest != version.digest:
                raise InvalidBundle(
                    f"{version.name} {version.version} is tagged with a digest that is not its bundle's."
                )
            return self._settle(bundle)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _settle(self, bundle: Bundle) -> Bundle:
        """Move a bundle to its place, or return the valid bundle that another process has put there in the meantime."""
        place = self.folder / bundle.manifest.digest
        for _ in range(ATTEMPTS):
            try:
                bundle.path.rename(place)
                return replace(bundle, path=place, compiled=self.compiled)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            if cached := self._find(bundle.manifest.digest):
                return cached
        raise CacheUnwritable(f"{place} is damaged by another process whenever it is written.")

    def _sweep(self) -> None:
        for folder in self.folder.glob(".download-*"):
            try:
                if time.time() - folder.stat().st_mtime > ABANDONED_S:
                    shutil.rmtree(folder, ignore_errors=True)
            except FileNotFoundError:
                continue  # another process deleted it


def _discard(place: Path, status: os.stat_result) -> None:
    """Move away and delete the folder that had this `status`, unless another process has replaced it.

    The move is one rename, so that nobody sees half of a bundle. A valid bundle put there between the check and the
    rename is lost, and is downloaded again when it is needed.
    """
    aside = Path(tempfile.mkdtemp(prefix=".download-", dir=place.parent))
    with suppress(FileNotFoundError):  # another process moved it first
        if _identity(place.stat()) == _identity(status):
            place.rename(aside / "damaged")
    shutil.rmtree(aside, ignore_errors=True)


def _identity(status: os.stat_result) -> tuple[int, int]:
    """Identifies a folder: a file system reuses inode numbers, but not together with the time of the last change."""
    return status.st_ino, status.st_ctime_ns
