"""Records -> training, validation and test parts."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from inference.taxonomy import CLASSES
from training.index import InvalidDataset, Record

_SLICES = 20  # parts are made of twentieths: fine enough for 70/15/15


@dataclass(frozen=True, slots=True)
class Split:
    """Three disjoint parts, each in the index's order."""

    train: tuple[Record, ...]
    validation: tuple[Record, ...]
    test: tuple[Record, ...]

    def parts(self) -> dict[str, tuple[Record, ...]]:
        """The three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def digest(self) -> str:
        """SHA-256 of the image ids of the three parts: the same split has the same digest on any machine."""
        text = "\n".join(" ".join(sorted(record.image_id for record in part)) for part in self.parts().values())
        return hashlib.sha256(text.encode()).hexdigest()


def split_records(
    records: Sequence[Record],
    *,
    by: Literal["lesion", "image"],
    fractions: tuple[float, float, float],
    seed: int,
) -> Split:
    """Stratified by class; by="lesion" keeps all images of a lesion in one part.

    by="image" leaks: 66 % of HAM10000's validation melanomas then show lesions that were trained on. Raises
    InvalidDataset when a part would lack a class.
    """
    labels = np.array([record.label for record in records])
    lesions = np.array([record.lesion_id for record in records])
    if by == "lesion":
        kind = StratifiedGroupKFold(n_splits=_SLICES, shuffle=True, random_state=seed)
        folds = kind.split(labels, labels, lesions)
    else:
        folds = StratifiedKFold(n_splits=_SLICES, shuffle=True, random_state=seed).split(labels, labels)
    slice_of = np.empty(len(records), dtype=int)
    for number, (_, members) in enumerate(folds):
        slice_of[members] = number
    first = round(fractions[0] * _SLICES)
    second = first + round(fractions[1] * _SLICES)

    def part(low: int, high: int) -> tuple[Record, ...]:
        return tuple(record for record, number in zip(records, slice_of, strict=True) if low <= number < high)

    split = Split(train=part(0, first), validation=part(first, second), test=part(second, _SLICES))
    for name, members in split.parts().items():
        if missing := set(CLASSES) - {CLASSES[record.label] for record in members}:
            raise InvalidDataset(f"The {name} part has no image of {', '.join(sorted(missing))}: too few to divide.")
    return split
