"""The same numbers for parts of the patients: sex, age, body site, source data set."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inference.manifest import Interval, Part
from inference.taxonomy import CLASSES, MALIGNANT
from training.index import InvalidDataset
from training.metrics import Labels, all_numbers
from training.predictions import Predictions
from training.resampling import interval_if_defined, lesion_weights

Attribute = Literal["sex", "age", "site", "source"]

_COLUMNS: dict[Attribute, str] = {"sex": "sex", "age": "age", "site": "localization", "source": "dataset"}
_UNKNOWN = "unknown"
_AGES = ((30, "0-29"), (45, "30-44"), (60, "45-59"), (75, "60-74"))
_OLDEST = "75+"
_NUMBERS = {
    "accuracy": ("accuracy", ""),
    "balanced_accuracy": ("balanced_accuracy", ""),
    "malignant_auc": ("malignant_auc", ""),
    "melanoma_recall": ("recall", "mel"),
}
FEWEST_IMAGES = 20
FEWEST_LESIONS = 5  # of a kind: the bootstrap of one found melanoma would claim the interval [1, 1]


class Group(Part):
    """One value of one attribute and how the model does on its images.

    `numbers` is None below FEWEST_IMAGES; one number is None where its kind of lesion (melanoma; malignant and benign)
    has fewer than FEWEST_LESIONS. `balanced_accuracy` is the mean recall of the classes that are present.
    """

    attribute: Attribute
    name: str
    images: int
    lesions: int
    malignant_images: int
    melanoma_images: int
    numbers: dict[str, Interval | None] | None


def read_attributes(metadata: Path) -> dict[Attribute, dict[str, str]]:
    """{attribute: {image_id: group}} from a metadata file of HAM10000; an attribute without a column is left out.

    Raises InvalidDataset.
    """
    try:
        with metadata.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDataset(f"{metadata} cannot be read: {error}") from error
    if not rows or "image_id" not in rows[0]:
        raise InvalidDataset(f"{metadata.name} has no rows or no column image_id.")
    return {
        attribute: {row["image_id"]: _group_of(attribute, row[column] or "") for row in rows}
        for attribute, column in _COLUMNS.items()
        if column in rows[0]
    }


def _group_of(attribute: Attribute, text: str) -> str:
    text = text.strip().lower()
    if text in ("", "nan", "na", _UNKNOWN):
        return _UNKNOWN
    return _age_band(text) if attribute == "age" else text


def _age_band(text: str) -> str:
    try:
        years = float(text)
    except ValueError as error:
        raise InvalidDataset(f"{text!r} is no age.") from error
    return next((band for below, band in _AGES if years < below), _OLDEST)


def measure_subgroups(
    predictions: Predictions,
    attributes: Mapping[Attribute, Mapping[str, str]],
    *,
    seed: int,
    resamples: int = 1000,
) -> tuple[Group, ...]:
    """Every group of every attribute, with intervals by lesion. An image without attributes is "unknown".

    Ages rise, other groups go from large to small, unknown is last.
    """
    groups = []
    for attribute, group_of in attributes.items():
        names = np.array([group_of.get(image, _UNKNOWN) for image in predictions.image_ids])
        found, counts = np.unique(names, return_counts=True)
        size = dict(zip(found.tolist(), counts.tolist(), strict=True))
        for name in sorted(size, key=lambda name: (name == _UNKNOWN, _rank(attribute, name, size[name]), name)):
            groups.append(
                _measure(attribute, name, predictions=predictions.at(names == name), seed=seed, resamples=resamples)
            )
    return tuple(groups)


def _rank(attribute: Attribute, name: str, count: int) -> int:
    bands = [band for _, band in _AGES] + [_OLDEST]
    return bands.index(name) if attribute == "age" and name in bands else -count


def _measure(attribute: Attribute, name: str, *, predictions: Predictions, seed: int, resamples: int) -> Group:
    labels = predictions.labels
    numbers: dict[str, Interval | None] | None = None
    if len(predictions) >= FEWEST_IMAGES:
        weights = lesion_weights(predictions.lesion_ids, resamples=resamples, seed=seed)
        draws = all_numbers(labels, predictions.probabilities, weights)
        numbers = {label: interval_if_defined(draws[key]) for label, key in _NUMBERS.items()}
        numbers |= dict.fromkeys(_too_rare(labels, predictions.lesion_ids))
    return Group(
        attribute=attribute,
        name=name,
        images=len(predictions),
        lesions=len(np.unique(predictions.lesion_ids)),
        malignant_images=int(np.isin(labels, MALIGNANT).sum()),
        melanoma_images=int((labels == CLASSES.index("mel")).sum()),
        numbers=numbers,
    )


def _too_rare(labels: Labels, lesions: NDArray[np.str_]) -> list[str]:
    """The numbers that rest on fewer than FEWEST_LESIONS lesions."""
    malignant = np.isin(labels, MALIGNANT)
    kinds = {
        "malignant_auc": (malignant, ~malignant),
        "melanoma_recall": (labels == CLASSES.index("mel"),),
    }
    return [name for name, rows in kinds.items() if min(len(np.unique(lesions[row])) for row in rows) < FEWEST_LESIONS]
