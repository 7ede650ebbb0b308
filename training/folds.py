"""Records -> folds: every lesion is held out once, and every network is tried on what it has not seen."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from training.index import InvalidDataset, Record


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """The images to measure on, in the index's order; `of_image` [n] is the fold of each, `of_lesion` of every lesion
    of the data set, measured or not.
    """

    records: tuple[Record, ...]
    of_image: NDArray[np.int64]
    of_lesion: Mapping[str, int]
    count: int

    def parts(self) -> dict[str, tuple[Record, ...]]:
        """The images of each fold by name, "fold 1" first."""
        return {
            f"fold {fold + 1}": tuple(
                r for r, number in zip(self.records, self.of_image, strict=True) if number == fold
            )
            for fold in range(self.count)
        }

    @property
    def test(self) -> tuple[Record, ...]:
        """All images: each is tried once, by the network of its fold."""
        return self.records

    def seen_by(self, fold: int) -> frozenset[str]:
        """The lesions that the network of this fold is trained on."""
        return frozenset(lesion for lesion, number in self.of_lesion.items() if number != fold)

    def digest(self) -> str:
        """SHA-256 of the lesions of every fold: the same folds have the same digest on any machine."""
        lines = ["" for _ in range(self.count)]
        for lesion, fold in sorted(self.of_lesion.items()):
            lines[fold] += f"{lesion} "
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def fold_records(records: Sequence[Record], *, lesions: Mapping[str, int], count: int, seed: int) -> Folds:
    """Divide `lesions` (id -> class), stratified by class, and the records with them.

    Raises InvalidDataset when a class has fewer lesions than there are folds, or a record's lesion is unknown.
    """
    names, labels = sorted(lesions), np.array([lesions[name] for name in sorted(lesions)])
    rarest = int(np.bincount(labels)[np.unique(labels)].min())
    if rarest < count:
        raise InvalidDataset(f"{count} folds need {count} lesions of every class; the rarest class has {rarest}.")
    if strangers := {record.lesion_id for record in records} - lesions.keys():
        raise InvalidDataset(f"{len(strangers)} lesions are not in the metadata, such as {min(strangers)}.")
    of_lesion: dict[str, int] = {}
    divided = StratifiedKFold(n_splits=count, shuffle=True, random_state=seed).split(labels, labels)
    for fold, (_, members) in enumerate(divided):
        of_lesion |= {names[member]: fold for member in members}
    of_image = np.array([of_lesion[record.lesion_id] for record in records], dtype=np.int64)
    return Folds(tuple(records), of_image, of_lesion, count)
