"""Graphs that OpenVINO has compiled, kept on disk: the next start on the same processor reads them.

Each has a folder, named after everything that it depends on, with OpenVINO's own files and their SHA-256. OpenVINO
reads nothing whose hash differs: it compiles anew what it cannot read, but bytes that changed within a file may pass
unnoticed. The hashes are no protection from whoever may write the folder, so it must be this user's alone. A graph is
kept once it has reproduced the golden cases, and deleted when it does so no more.
"""

import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from inference.runtimes.cpu_features import describe_processor

HASHES = "sha256.json"
MOST = 8  # folders kept: the model in service, its shadow and what was before each, in two precisions
ABANDONED_S = 3600  # age at which a new folder counts as left by a killed process
_NEW = ".new-"

log = logging.getLogger(__name__)
Made = TypeVar("Made")


def with_compiled_graph(root: Path | None, depends_on: tuple[str, ...], make: Callable[[Path | None], Made]) -> Made:
    """What `make` returns. It gets a folder for OpenVINO's CACHE_DIR: with what was compiled before, or empty, or None.

    `root` holds all folders; None if nothing shall be kept. The processor is part of what every graph depends on.
    `make` compiles and judges the result by the golden cases. If it raises, nothing is kept; after a RuntimeError with
    a graph that was kept before, this is deleted and `make` is called once more. Raises what `make` raises.
    """
    if root is None or not _is_private(root):
        return make(None)
    place = root / _name(depends_on)
    if _is_whole(place):
        with suppress(OSError):
            os.utime(place)  # the oldest is deleted first
        try:
            return make(place)
        except RuntimeError as error:
            log.warning("a kept compiled graph is deleted", extra={"reason": str(error)})
            shutil.rmtree(place, ignore_errors=True)
    return _make_new(root, place, make)


def _make_new(root: Path, place: Path, make: Callable[[Path | None], Made]) -> Made:
    try:
        new = Path(tempfile.mkdtemp(prefix=_NEW, dir=root))
    except OSError as error:
        log.warning("compiled graphs cannot be kept", extra={"reason": str(error)})
        return make(None)
    try:
        made = make(new)
        _keep(new, place)
        return made
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _is_private(root: Path) -> bool:
    """Whether the folder, made here if it is missing, is this user's and nobody else may write into it."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = root.stat()
    except OSError as error:
        log.warning("compiled graphs cannot be kept", extra={"reason": str(error)})
        return False
    private = status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not private:
        log.warning("compiled graphs are neither read nor kept: other users may write them", extra={"path": str(root)})
    return private


def _name(depends_on: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join([*depends_on, *describe_processor()]).encode()).hexdigest()


def _keep(new: Path, place: Path) -> None:
    """Move the folder to its place, unless another process has put the same there, and delete the oldest ones."""
    try:
        hashes = _hashes(new)
        if not hashes:
            log.warning("a compiled graph is not kept", extra={"reason": "OpenVINO wrote no file"})
            return
        (new / HASHES).write_text(json.dumps(hashes), encoding="utf-8")
        if not _is_whole(place):
            shutil.rmtree(place, ignore_errors=True)
            new.rename(place)
        _sweep(place.parent)
    except OSError as error:  # the disk is full, or another process was faster
        log.warning("a compiled graph is not kept", extra={"reason": str(error)})


def _sweep(root: Path) -> None:
    """Delete all but the newest MOST, and what killed processes have left. Other processes may do the same."""
    written = {}
    for folder in root.iterdir():
        with suppress(FileNotFoundError):
            written[folder] = folder.stat().st_mtime
    by_age = sorted(written, key=written.__getitem__)
    complete = [each for each in by_age if not each.name.startswith(_NEW)]
    left = [each for each in by_age if each not in complete and time.time() - written[each] > ABANDONED_S]
    for folder in (*complete[:-MOST], *left):
        shutil.rmtree(folder, ignore_errors=True)


def _is_whole(place: Path) -> bool:
    try:
        return bool(json.loads((place / HASHES).read_text(encoding="utf-8")) == _hashes(place) != {})
    except (OSError, ValueError):
        return False


def _hashes(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name != HASHES:
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
