"""What a run needs to go on after it was killed: one folder, every file replaced whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.progress import Progress

Arrays = Sequence[NDArray[Any]]


class Checkpoints:
    """The checkpoints of one run, in `folder`. A stage has its latest state and its best weights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, stage: str, progress: Progress, *, model: Arrays, optimiser: Arrays) -> None:
        """Keep the state after an epoch; also as the stage's best if the epoch is the best so far."""
        if progress.improved:
            self._write(f"{stage}-best.npz", {f"model{i}": array for i, array in enumerate(model)})
        content = {f"model{i}": array for i, array in enumerate(model)}
        content |= {f"optimiser{i}": array for i, array in enumerate(optimiser)}
        content["progress"] = np.frombuffer(json.dumps(progress.to_json()).encode(), np.uint8)
        self._write(f"{stage}-latest.npz", content)

    def latest(self, stage: str) -> tuple[Progress, list[NDArray[Any]], list[NDArray[Any]]] | None:
        """(progress, model, optimiser) after the last finished epoch, or None before the first."""
        path = self.folder / f"{stage}-latest.npz"
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as found:
            progress = Progress.from_json(json.loads(found["progress"].tobytes()))
            return progress, _numbered(found, "model"), _numbered(found, "optimiser")

    def best(self, stage: str) -> list[NDArray[Any]]:
        """The model's arrays after the stage's best epoch."""
        with np.load(self.folder / f"{stage}-best.npz", allow_pickle=False) as found:
            return _numbered(found, "model")

    def note(self, name: str, value: str | None = None) -> str | None:
        """Keep a short text under a name, or read it back."""
        path = self.folder / f"{name}.txt"
        if value is not None:
            path.write_text(value)
        return path.read_text() if path.is_file() else None

    def _write(self, name: str, content: dict[str, NDArray[Any]]) -> None:
        staging = self.folder / f".{name}"
        with staging.open("wb") as file:
            np.savez(file, **content)  # type: ignore[arg-type]  # its stubs take the names for options
            file.flush()
            os.fsync(file.fileno())
        staging.replace(self.folder / name)


def _numbered(found: Any, prefix: str) -> list[NDArray[Any]]:
    count = sum(name.startswith(prefix) for name in found.files)
    return [found[f"{prefix}{i}"] for i in range(count)]
