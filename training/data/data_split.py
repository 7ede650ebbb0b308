"""How a run divides its images: once (`Split`), or into the folds of a cross-validation (`Folds`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.data.ham10000 import ImageRecord

Result = TypeVar("Result")

_DESCRIPTIONS = {
    "lesion": "Split by lesion: no lesion is in two splits.",
    "image": "Split by image, which leaks: lesions are in several splits, so the results are too good.",
}


def digest_of_ids(records: Iterable[ImageRecord]) -> str:
    """SHA-256 (hex) of the image ids, whatever their order."""
    return hashlib.sha256(" ".join(sorted(record.image_id for record in records)).encode()).hexdigest()


class DataSplit(Protocol):
    """What every division of the images offers; `Split` and `Folds` implement it."""

    @property
    def test(self) -> tuple[ImageRecord, ...]:
        """The images on which the metrics are computed."""

    @property
    def validation(self) -> tuple[ImageRecord, ...]:
        """The images on which temperature and thresholds are chosen."""

    def splits(self) -> dict[str, tuple[ImageRecord, ...]]:
        """The disjoint sets of images by name."""

    def digest(self) -> str:
        """SHA-256 (hex) that identifies the division; it does not depend on the machine."""

    def describe(self) -> str:
        """Sentences for the model card that say how the images were divided."""

    def by_kind(self, *, split: Callable[[Split], Result], folds: Callable[[Folds], Result]) -> Result:
        """Call the function for this kind of division. A new kind needs a new argument, which mypy then demands."""


@dataclass(frozen=True, slots=True)
class Split:
    """Training, validation and test set: disjoint, each in the order of the metadata.

    `by` says whether all images of a lesion are in the same set ("lesion") or not ("image").
    """

    train: tuple[ImageRecord, ...]
    validation: tuple[ImageRecord, ...]
    test: tuple[ImageRecord, ...]
    by: Literal["lesion", "image"]

    def splits(self) -> dict[str, tuple[ImageRecord, ...]]:
        """The three sets by name: "train", "validation", "test"."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def digest(self) -> str:
        """SHA-256 (hex) of the image ids of the three sets, whatever their order."""
        text = "\n".join(" ".join(sorted(record.image_id for record in split)) for split in self.splits().values())
        return hashlib.sha256(text.encode()).hexdigest()

    def describe(self) -> str:
        """Whether the division keeps lesions together."""
        return _DESCRIPTIONS[self.by]

    def by_kind(self, *, split: Callable[[Split], Result], folds: Callable[[Folds], Result]) -> Result:
        """Call `split`."""
        return split(self)


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """The folds of a cross-validation by lesion. The network of a fold is trained on the lesions of the other folds.

    `records`: the n images, in the order of the metadata. `of_image`: int64 [n], the fold of each image, counted from
    0. `of_lesion`: the fold of every lesion in the metadata, including lesions without an image in `records`.
    `count`: the number of folds.
    """

    records: tuple[ImageRecord, ...]
    of_image: NDArray[np.int64]
    of_lesion: Mapping[str, int]
    count: int

    @property
    def test(self) -> tuple[ImageRecord, ...]:
        """All images: each is measured once, with the network of its fold."""
        return self.records

    @property
    def validation(self) -> tuple[ImageRecord, ...]:
        """All images: temperature and thresholds are chosen on the held-out answers."""
        return self.records

    def splits(self) -> dict[str, tuple[ImageRecord, ...]]:
        """The images of each fold by name, "fold 1" first."""
        return {
            f"fold {fold + 1}": tuple(
                record for record, number in zip(self.records, self.of_image, strict=True) if number == fold
            )
            for fold in range(self.count)
        }

    def seen_by(self, fold: int) -> frozenset[str]:
        """The ids of the lesions that the network of this fold, counted from 0, is trained on."""
        return frozenset(lesion for lesion, number in self.of_lesion.items() if number != fold)

    def digest(self) -> str:
        """SHA-256 (hex) of the lesion ids of every fold, whatever their order."""
        lines = ["" for _ in range(self.count)]
        for lesion, fold in sorted(self.of_lesion.items()):
            lines[fold] += f"{lesion} "
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def describe(self) -> str:
        """The number of folds, and what the held-out images measure."""
        return (
            f"{self.count} folds by lesion. Every image is answered by the one of the {self.count} networks that was "
            f"not trained on its lesion. What is served is the mean of the {self.count}, which these images cannot "
            "measure."
        )

    def by_kind(self, *, split: Callable[[Split], Result], folds: Callable[[Folds], Result]) -> Result:
        """Call `folds`."""
        return folds(self)
