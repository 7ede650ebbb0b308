"""Replaces a bundle's folder in such a way that no failure loses the earlier bundle.

Every function that writes a bundle uses this module. The new bundle is written into the work folder
`.NAME.replacement` beside the target, on the same file system:

    new/        the bundle that is being written, or the remains of a killed process
    old/        the earlier bundle, between the two renames that exchange the bundles; never deleted from here
    discarded/  an earlier bundle whose successor was verified in its place; it is being deleted
    lock        locked by the process that writes; a killed process releases it

The earlier bundle is at the target or, between the two renames, in `old`. If the process is killed there, the next call
with the same target moves the bundle back.
"""

import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from inference.bundle.previous_bundle import aside_of, describe_aside
from inference.bundle.storage import MANIFEST, Bundle, InvalidBundle, open_bundle

ALLOWED = "Allowed: a path that does not exist, an empty folder, or a folder that holds a whole bundle."
NEW, DISCARDED, PROBE, LOCK = "new", "discarded", "probe", "lock"

log = logging.getLogger(__name__)


class NotReplaceable(ValueError):
    """No bundle can be written to the folder; the message names the path, the cause and what is allowed."""


class BundleChanged(RuntimeError):
    """Another process replaced the bundle while its successor was being computed."""


def check_target(folder: Path) -> None:
    """Check, before long computations, that `replace_bundle` can write to `folder`; restore after a killed process.

    Waits while another process writes there. Raises NotReplaceable, and OSError for errors of the disk.
    """
    target = _locate(folder)
    if target.parent.is_dir():
        with _exclusive(target) as work:
            _current(target)
            _check_rename(target, work)
    else:
        ancestor = next(parent for parent in target.parents if os.path.lexists(parent))
        with TemporaryDirectory(dir=ancestor):
            pass  # missing parents can be created


def replace_bundle(folder: Path, write: Callable[[Path], object], *, successor_of: Bundle | None = None) -> Bundle:
    """Let `write` fill an empty folder with a bundle, verify it, and replace `folder` with it.

    If `write` or the verification raises, `folder` keeps its content. `successor_of` is the bundle that the new one was
    made from: if `folder` holds another bundle by then, nothing is replaced. A symbolic link is kept, and its target is
    replaced. Waits while another process writes there. Raises NotReplaceable, BundleChanged, InvalidBundle, OSError.
    """
    target = _locate(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive(target) as work:
        current = _current(target)
        if successor_of and (current is None or current.manifest.digest != successor_of.manifest.digest):
            raise BundleChanged(f"{folder} was replaced while its successor was made. Repeat the command.")
        _check_rename(target, work)
        staging = work / NEW
        staging.mkdir()
        write(staging)
        bundle = open_bundle(staging)
        _synchronise(staging)
        _current(target)  # something may have been put there in the meantime
        _exchange(target, work)
    return replace(bundle, path=folder)


def _locate(folder: Path) -> Path:
    """The folder itself, behind any symbolic link. Raises NotReplaceable if its names show that it holds no bundle."""
    target = Path(os.path.realpath(folder))
    if Path.cwd().is_relative_to(target):
        raise _refusal(target, "is the working folder or a parent of it.")
    if os.path.lexists(target) and not target.is_dir():
        raise _refusal(target, "is not a folder.")
    names = _names(target)
    if names and MANIFEST not in names:
        raise _refusal(target, f"holds files but no bundle: it has no {MANIFEST}.")
    return target


def _current(target: Path) -> Bundle | None:
    """The bundle at the target; None if the folder is missing or empty. Raises NotReplaceable."""
    if not _names(target):
        return None
    try:
        return open_bundle(target)
    except InvalidBundle as error:
        raise _refusal(target, f"holds no whole bundle: {error}") from error


def _refusal(target: Path, cause: str) -> NotReplaceable:
    return NotReplaceable(f"{target} {cause} {ALLOWED}{describe_aside(target)}")


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []


def _check_rename(target: Path, work: Path) -> None:
    """Check that the target can be renamed, by a rename onto a full folder, which POSIX refuses as its last check.

    Another error shows why the target cannot be renamed: a mount point (EBUSY; os.path.ismount does not see bind mounts
    on the same file system), a folder in a lower layer of an overlay (EXDEV), missing permission.
    """
    if not target.exists():
        return
    probe = work / PROBE
    (probe / "occupied").mkdir(parents=True)
    try:
        target.rename(probe)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise NotReplaceable(
                f"{target} cannot be renamed ({error.strerror}), but replacing it needs a rename. "
                "If it is a mount point, name a folder inside it; otherwise name another path."
            ) from error
    else:
        probe.rename(target)
        raise NotReplaceable(f"The file system of {target} replaces full folders on rename. Name another path.")


@contextmanager
def _exclusive(target: Path) -> Iterator[Path]:
    """The work folder of a target, for one process or thread at a time; it is settled before and after."""
    with _locked(aside_of(target).parent, target) as work:
        _settle(target, work)
        try:
            yield work
        finally:
            _settle(target, work)


@contextmanager
def _locked(work: Path, target: Path) -> Iterator[Path]:
    while True:
        work.mkdir(exist_ok=True)
        try:
            file = (work / LOCK).open("a")
        except FileNotFoundError:
            continue  # the process that held the lock has removed the folder
        with file:
            _wait(file, target)
            if not _is_at(file, work / LOCK):
                continue
            try:
                yield work
            finally:
                (work / LOCK).unlink()
                with suppress(OSError):  # not empty: it holds `old`, or another process is entering
                    work.rmdir()
            return


def _wait(file: IO[str], target: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("waiting for another process that is writing %s", target)
        fcntl.flock(file, fcntl.LOCK_EX)


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _settle(target: Path, work: Path) -> None:
    """Finish or undo an interrupted replacement, whatever state it left.

    A bundle in `old` is moved back if the target is empty, and deleted if its successor is in place. Other remains are
    deleted. Raises NotReplaceable, and keeps the bundle in `old`, if the target holds anything else.
    """
    _delete(work / DISCARDED)
    old = aside_of(target)
    if old.exists():
        if not _names(target):
            old.rename(target)  # the target is missing or an empty folder
            _synchronise_folders(work, target.parent)
            log.warning("restored the earlier bundle in %s: its replacement was interrupted", target)
        elif _current(target):
            old.rename(work / DISCARDED)
            _delete(work / DISCARDED)
    for name in (NEW, PROBE):
        _delete(work / name)


def _exchange(target: Path, work: Path) -> None:
    """Exchange the bundles by two renames. If one fails or the process is killed, `_settle` completes or undoes it."""
    if target.exists():
        shutil.copymode(target, work / NEW)
    if _names(target):
        target.rename(aside_of(target))
        _synchronise_folders(work, target.parent)
    (work / NEW).rename(target)
    _synchronise_folders(work, target.parent)


def _delete(folder: Path) -> None:
    """Delete a folder inside the work folder. If that fails, the next call tries again."""
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        log.warning("%s cannot be deleted: %s", folder, error)


def _synchronise(folder: Path) -> None:
    """Write every file and every folder entry to the disk (fsync)."""
    _synchronise_folders(*folder.rglob("*"), folder)


def _synchronise_folders(*paths: Path) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
