"""Divides the images of a configuration into training, validation and test set, or into folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from inference.domain.taxonomy import CLASSES
from training.config import Config, InvalidConfig
from training.data.data_split import DataSplit, Folds, Split
from training.data.folds import fold_records
from training.data.ham10000 import ImageRecord, InvalidDataset, limit_classes, read_index, read_lesions

_SLICES = 20  # a boundary inside a slice divides every class of that slice in the same proportion


def split_records(
    records: Sequence[ImageRecord],
    *,
    by: Literal["lesion", "image"],
    fractions: tuple[float, float, float],
    seed: int,
) -> Split:
    """Divide the records by `fractions` (training, validation, test), stratified by class.

    by="lesion" keeps all images of a lesion in one set. by="image" leaks: 66 % of HAM10000's validation melanomas then
    show lesions that are also in the training set. Raises InvalidDataset when a set would lack a class.
    """
    labels = np.array([record.label for record in records])
    groups = np.array([record.lesion_id if by == "lesion" else record.image_id for record in records])
    try:
        positions = _positions(labels, groups, by=by, seed=seed)
    except ValueError as error:  # of scikit-learn: no class has as many as there are slices
        raise InvalidDataset(
            f"{len(records)} images are too few to divide: at least one class needs {_SLICES}."
        ) from error
    first, second = fractions[0] * _SLICES, (fractions[0] + fractions[1]) * _SLICES

    def between(low: float, high: float) -> tuple[ImageRecord, ...]:
        return tuple(record for record, position in zip(records, positions, strict=True) if low <= position < high)

    split = Split(train=between(0, first), validation=between(first, second), test=between(second, _SLICES), by=by)
    for name, members in split.splits().items():
        if missing := set(CLASSES) - {CLASSES[record.label] for record in members}:
            raise InvalidDataset(
                f"The {name} split has no image of {', '.join(sorted(missing))}: there are too few to divide."
            )
    return split


def _positions(
    labels: NDArray[np.int64], groups: NDArray[np.str_], *, by: Literal["lesion", "image"], seed: int
) -> NDArray[np.float64]:
    """A position for each image, float64 [n] in 0.._SLICES; any interval holds its share of every class.

    The integer part is the number of a stratified slice. Inside a slice the groups of a class follow each other in an
    order drawn from the seed; all images of a group have the position of its middle.
    """
    if by == "lesion":
        kind = StratifiedGroupKFold(n_splits=_SLICES, shuffle=True, random_state=seed)
        slices = kind.split(labels, labels, groups)
    else:
        slices = StratifiedKFold(n_splits=_SLICES, shuffle=True, random_state=seed).split(labels, labels)
    generator = np.random.default_rng(seed)
    positions = np.empty(len(labels))
    for number, (_, members) in enumerate(slices):
        _, first, group, sizes = np.unique(groups[members], return_index=True, return_inverse=True, return_counts=True)
        middles = np.empty(len(sizes))
        for label in np.unique(labels[members[first]]):
            own = generator.permutation(np.flatnonzero(labels[members[first]] == label))
            ends = np.cumsum(sizes[own])
            middles[own] = (ends - sizes[own] / 2) / ends[-1]
        positions[members] = number + middles[group]
    return positions


def read_split(config: Config, data: Path) -> DataSplit:
    """Read the images of a configuration under the folder `data` and divide them as it says. Raises InvalidDataset."""
    if config.data.folds:
        return read_folds(config, data)
    assert config.data.fractions  # for the type checker: the configuration has either  # nosec B101
    return split_records(
        _read_records(config, data), by=config.data.split, fractions=config.data.fractions, seed=config.seed
    )


def read_folds(config: Config, data: Path) -> Folds:
    """The same for a configuration with `data.folds`. Raises InvalidDataset, and InvalidConfig without folds."""
    if not config.data.folds:
        raise InvalidConfig(f"{config.name} has no folds: data.folds is missing.")
    records = _read_records(config, data)
    if config.data.per_class:
        lesions = {record.lesion_id: record.label for record in records}
    else:
        lesions = read_lesions(data / config.data.metadata)
    return fold_records(records, lesions=lesions, count=config.data.folds, seed=config.seed)


def _read_records(config: Config, data: Path) -> tuple[ImageRecord, ...]:
    folders = [data / images for images in config.data.images]
    records = read_index(data / config.data.metadata, folders)
    return limit_classes(records, config.data.per_class, seed=config.seed) if config.data.per_class else records
