"""Compares the space that a run needs with the free space of the disk, before hours are spent."""

import errno
import math
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.config import StageConfig
from training.networks.network import Network, unfreeze

FLOAT_BYTES = 4
RESERVE_BYTES = 200_000_000  # logs, reports, the database of a local registry


class NotEnoughSpace(OSError):
    """The disk has less free space than the run needs; the message gives both."""


def checkpoint_bytes(network: Network, stages: Iterable[StageConfig], *, moments: int = 2) -> int:
    """The most space that the checkpoints of these stages take at one time.

    A stage has its best weights, and its latest weights with `moments` numbers of the optimiser for each trained
    weight. While they are replaced, the latter exist twice. Afterwards only the best weights stay.
    """
    weights = _bytes(network.model.weights)
    kept, most = 0, 0
    for stage in stages:
        unfreeze(network.backbone, stage.layers, batch_norm=stage.batch_norm)
        trained = _bytes(network.model.trainable_weights)
        most = max(most, kept + weights + 2 * (weights + moments * trained))
        kept += weights
    return max(most, kept)


def check_training(
    home: Path, network: Network, stages: Iterable[StageConfig], *, folder: Path, prepared: int, moments: int = 2
) -> None:
    """Check that LUNAR_HOME has space for checkpoints of `stages`, `prepared` bytes of images, and the bundle.

    The checkpoints that an earlier process has left in `folder` take no more space. The bundle holds the weights in up
    to two graphs, is written beside an earlier one, and a local registry copies it.
    Raises NotEnoughSpace.
    """
    home.mkdir(parents=True, exist_ok=True)
    weights = _bytes(network.model.weights)
    present = sum(path.stat().st_size for path in folder.glob("*.npz"))
    checkpoints = max(0, checkpoint_bytes(network, stages, moments=moments) - present)
    check_space(home, needed={"checkpoints": checkpoints, "prepared images": prepared, "bundle": 4 * weights})


def check_space(folder: Path, *, needed: dict[str, int]) -> None:
    """Compare the sum of `needed` (bytes by purpose) with the free space under `folder`. Raises NotEnoughSpace."""
    free, total = shutil.disk_usage(folder).free, sum(needed.values()) + RESERVE_BYTES
    if free < total:
        parts = ", ".join(f"{count / 1e9:.2f} GB of {purpose}" for purpose, count in needed.items() if count)
        text = f"{folder} has {free / 1e9:.2f} GB of free space, but the run needs {total / 1e9:.2f} GB: {parts}"
        raise NotEnoughSpace(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {text}")


def _bytes(weights: Iterable[Any]) -> int:
    return FLOAT_BYTES * sum(int(math.prod(weight.shape)) for weight in weights)
