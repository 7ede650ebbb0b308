"""Checkpoints, from which a killed run resumes. Every file is replaced by a rename, so that none is incomplete."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from training.fitting.stage_progress import Progress

Arrays = Sequence[NDArray[Any]]


class Checkpoints:
    """The checkpoints of one run in `folder`: the latest state and the best weights of each stage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, stage: str, progress: Progress, *, model: Arrays, best: Arrays, optimiser: Arrays) -> None:
        """Save the state after an epoch, and `best`, which may be averaged weights, if the epoch is the best so far."""
        if progress.improved:
            self._write(f"{stage}-best.npz", {f"model{i}": array for i, array in enumerate(best)})
        content = {f"model{i}": array for i, array in enumerate(model)}
        content |= {f"optimiser{i}": array for i, array in enumerate(optimiser)}
        content["progress"] = _encode(progress)
        self._write(f"{stage}-latest.npz", content)

    def prune(self, stage: str, progress: Progress) -> None:
        """Keep only the progress of a finished stage beside its best weights: nothing resumes inside it any more."""
        if is_pruned(self.folder / f"{stage}-latest.npz"):
            return
        self._write(f"{stage}-latest.npz", {"progress": _encode(progress)})

    def has(self, stage: str) -> bool:
        """Whether an epoch of the stage was saved."""
        return (self.folder / f"{stage}-latest.npz").is_file()

    def latest(self, stage: str) -> tuple[Progress, list[NDArray[Any]], list[NDArray[Any]]] | None:
        """(progress, model, optimiser) after the last finished epoch, or None before the first.

        The arrays of a stage that was pruned are gone: both lists are then empty.
        """
        path = self.folder / f"{stage}-latest.npz"
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as arrays:
            progress = Progress.from_json(json.loads(arrays["progress"].tobytes()))
            return progress, _numbered(arrays, "model"), _numbered(arrays, "optimiser")

    def best_path(self, stage: str) -> Path:
        """The file of the model after the best epoch of the stage."""
        return self.folder / f"{stage}-best.npz"

    def best(self, stage: str) -> list[NDArray[Any]]:
        """The arrays of the model after the best epoch of the stage. Raises OSError if there are none."""
        with np.load(self.best_path(stage), allow_pickle=False) as arrays:
            return _numbered(arrays, "model")

    def note(self, name: str, value: str | None = None) -> str | None:
        """Save a short text under a name if `value` is given; returns the saved text, or None if there is none."""
        path = self.folder / f"{name}.txt"
        if value is not None:
            staging = self.folder / f".{name}-{uuid4().hex}.txt"  # the processes of several folds note the same
            try:
                staging.write_text(value)
                staging.replace(path)
            finally:
                staging.unlink(missing_ok=True)
        return path.read_text() if path.is_file() else None

    def _write(self, name: str, content: dict[str, NDArray[Any]]) -> None:
        staging = self.folder / f".{name}"
        try:
            with staging.open("wb") as file:
                np.savez(file, **content)  # type: ignore[arg-type]  # the stubs of numpy take the names for options
                file.flush()
                os.fsync(file.fileno())
            staging.replace(self.folder / name)
        except OSError:  # such as a full disk
            staging.unlink(missing_ok=True)
            raise


def is_pruned(latest: Path) -> bool:
    """Whether this file of the latest state holds nothing but the progress of a finished stage."""
    with np.load(latest, allow_pickle=False) as arrays:
        return bool(arrays.files == ["progress"])


def _encode(progress: Progress) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(progress.to_json()).encode(), np.uint8)


def _numbered(arrays: Any, prefix: str) -> list[NDArray[Any]]:
    count = sum(name.startswith(prefix) for name in arrays.files)
    return [arrays[f"{prefix}{i}"] for i in range(count)]
