"""Deletes checkpoints and prepared images that no run needs any more."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from training.fitting.checkpoints import is_pruned
from training.fitting.run_lock import LOCK, RunInUse, locked
from training.fitting.stage_progress import STAGES

FINISHED = "finished"  # the note of a run that was published

log = logging.getLogger(__name__)


def clean_up(home: Path, *, everything: bool) -> dict[Path, int]:
    """Delete checkpoints of finished runs under LUNAR_HOME; returns the bytes freed by folder.

    Runs that are not finished, or that another process is training, or a fold of them, are kept. The best weights of a
    network's last stage are kept too, with the progress of all stages, from which the run can write its bundle again,
    and prepared images, unless `everything` is set. While any process trains, prepared images are kept, and the log
    says so.
    """
    freed: dict[Path, int] = {}
    for folder in sorted(path.parent for path in (home / "runs").glob(f"*/{FINISHED}.txt")):
        try:
            with locked(folder), _nobody_trains(*folder.glob("fold-*")):
                freed[folder] = sum(_delete(path) for path in _unneeded(folder, everything=everything))
        except RunInUse:
            continue
    prepared = home / "prepared"
    if everything and prepared.is_dir():
        try:
            with _nobody_trains(home / "runs", home / "pretrained"):
                freed[prepared] = _delete(prepared)
        except RunInUse as error:
            log.warning("%s is kept: %s", prepared, error)
    return {folder: count for folder, count in freed.items() if count}


@contextmanager
def _nobody_trains(*folders: Path) -> Iterator[None]:
    """Hold all locks in these folders and below them. Raises RunInUse if another process holds one."""
    with ExitStack() as stack:
        for lock in sorted(lock for folder in folders for lock in folder.rglob(LOCK)):
            stack.enter_context(locked(lock.parent))
        yield


def _unneeded(folder: Path, *, everything: bool) -> list[Path]:
    checkpoints = sorted(folder.rglob("*.npz"))
    if everything:
        return checkpoints
    complete = [path for path in checkpoints if not path.name.startswith(".")]  # others are left by a killed process
    best = [path for stage in STAGES for path in complete if path.name == f"{stage}-best.npz"]
    kept = set({path.parent: path for path in best}.values())  # of the last stage of each folder
    kept |= {path for path in complete if path.name.endswith("-latest.npz") and is_pruned(path)}
    return [path for path in checkpoints if path not in kept]


def _delete(path: Path) -> int:
    """Delete a file or a folder; returns its size in bytes."""
    if path.is_dir():
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        shutil.rmtree(path)
        return size
    size = path.stat().st_size
    path.unlink()
    return size
