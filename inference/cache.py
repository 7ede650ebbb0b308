"""Verified bundles on this disk, by digest: what was served once can be served again without the registry.

Any number of threads and processes may share the folder without a lock: a bundle is downloaded beside its place, and
appears there whole and verified, or not at all.
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

from inference.bundle import Bundle, InvalidBundle, open_bundle
from inference.registry import Registry, Version

ABANDONED_S = 3600  # a download that was killed leaves its folder behind
ATTEMPTS = 5  # to put a download in its place while others put theirs there, and damage them

log = logging.getLogger(__name__)


class CacheUnwritable(RuntimeError):
    """The disk is full, the folder may not be written, or somebody damages whatever is written there."""


class Cache:
    """The bundles below `home`/cache."""

    def __init__(self, home: Path) -> None:
        self.folder = home.resolve() / "cache"
        self._finding = threading.Lock()  # nobody reads what another thread is throwing away

    def fetch(self, version: Version, registry: Registry) -> Bundle:
        """The verified bundle of a version, from here or downloaded.

        Raises InvalidBundle, CacheUnwritable, and what Registry.download raises.
        """
        if not re.fullmatch("[0-9a-f]{64}", version.digest):
            raise InvalidBundle(f"{version.name} {version.version} has no digest tag: it was not published by Lunar.")
        try:
            return self._find(version.digest) or self._download(version, registry)
        except OSError as error:
            raise CacheUnwritable(f"{self.folder} cannot hold {version.name} {version.version}: {error}") from error

    def remember(self, version: Version) -> None:
        """Note that this version is in service under its alias. Raises CacheUnwritable."""
        path = self._note(version.name, version.alias or "")
        try:
            with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=self.folder, delete=False) as staging:
                json.dump(asdict(version), staging)
            Path(staging.name).replace(path)
        except OSError as error:
            raise CacheUnwritable(f"{path} cannot be written: {error}") from error

    def recall(self, name: str, alias: str) -> tuple[Bundle, Version] | None:
        """The version that was last in service under an alias, if its bundle is still here and whole."""
        try:
            version = Version(**json.loads(self._note(name, alias).read_text(encoding="utf-8")))
            bundle = self._find(version.digest)
        except (OSError, ValueError, TypeError):
            return None
        return (bundle, version) if bundle else None

    def _note(self, name: str, alias: str) -> Path:
        return self.folder / f"{quote(name, safe='')}@{quote(alias, safe='')}.json"

    def _find(self, digest: str) -> Bundle | None:
        with self._finding:
            return self._verified(digest, self.folder / digest)

    def _verified(self, digest: str, place: Path) -> Bundle | None:
        try:
            seen = place.stat()
        except FileNotFoundError:
            return None
        try:
            bundle = open_bundle(place)
            if bundle.manifest.digest != digest:
                raise InvalidBundle("It is another bundle than the folder's name says.")
        except InvalidBundle as error:
            log.warning("a cached bundle is damaged", extra={"bundle": digest, "reason": str(error)})
            if not isinstance(error.__cause__, MemoryError):  # which may pass
                _discard(place, seen)
            return None
        return bundle

    def _download(self, version: Version, registry: Registry) -> Bundle:
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
        """Move a bundle to its place, or take the one that another process has put there meanwhile, if it is whole."""
        place = self.folder / bundle.manifest.digest
        for _ in range(ATTEMPTS):
            try:
                bundle.path.rename(place)
                return replace(bundle, path=place)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            if found := self._find(bundle.manifest.digest):
                return found
        raise CacheUnwritable(f"{place} is damaged by somebody whenever it is written.")

    def _sweep(self) -> None:
        for folder in self.folder.glob(".download-*"):
            try:
                if time.time() - folder.stat().st_mtime > ABANDONED_S:
                    shutil.rmtree(folder, ignore_errors=True)
            except FileNotFoundError:
                continue  # another process swept it


def _discard(place: Path, seen: os.stat_result) -> None:
    """Take the folder that was seen there away, in one step, so that nobody sees half of it.

    Between the look and the step microseconds remain; who loses a whole bundle in them fetches it at the next look.
    """
    aside = Path(tempfile.mkdtemp(prefix=".download-", dir=place.parent))
    with suppress(FileNotFoundError):  # another process was faster
        if _identity(place.stat()) == _identity(seen):  # else another process has already put its own there
            place.rename(aside / "damaged")
    shutil.rmtree(aside, ignore_errors=True)


def _identity(status: os.stat_result) -> tuple[int, int]:
    """The number of a folder is given again to another; the time of its last change is not."""
    return status.st_ino, status.st_ctime_ns
