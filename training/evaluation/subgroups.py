"""Metrics for subgroups of the patients: sex, age, body site, source data set."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from inference.bundle.manifest import Interval
from inference.bundle.subgroups import Group
from inference.domain.taxonomy import CLASSES, MALIGNANT
from training.data.attributes import AGE_BANDS, UNKNOWN
from training.evaluation.bootstrap import interval_if_defined, lesion_weights
from training.evaluation.metrics import Labels, all_numbers
from training.evaluation.predictions import Predictions

_NUMBERS = {
    "accuracy": ("accuracy", ""),
    "balanced_accuracy": ("balanced_accuracy", ""),
    "malignant_auc": ("malignant_auc", ""),
    "melanoma_recall": ("recall", "mel"),
}
FEWEST_IMAGES = 20
FEWEST_LESIONS = 5  # of a kind: the bootstrap of one detected melanoma would give the interval [1, 1]


def measure_subgroups(
    predictions: Predictions,
    attributes: Mapping[str, Mapping[str, str]],
    *,
    seed: int,
    resamples: int = 1000,
) -> tuple[Group, ...]:
    """Measure every group of every attribute, {attribute: {image id: group}}; intervals by bootstrap over lesions.

    An image without attributes is in the group "unknown". Ages are ascending, other groups descend by size, and unknown
    is last.
    """
    groups = []
    for attribute, groups_of in attributes.items():
        names = np.array([groups_of.get(image, UNKNOWN) for image in predictions.image_ids])
        groups_of_attribute, counts = np.unique(names, return_counts=True)
        size = dict(zip(groups_of_attribute.tolist(), counts.tolist(), strict=True))
        ages = size.keys() <= {*AGE_BANDS, UNKNOWN}
        rank = {name: AGE_BANDS.index(name) if ages and name != UNKNOWN else -size[name] for name in size}
        for name in sorted(size, key=lambda name: (name == UNKNOWN, rank[name], name)):
            groups.append(
                _measure(attribute, name, predictions=predictions.at(names == name), seed=seed, resamples=resamples)
            )
    return tuple(groups)


def _measure(attribute: str, name: str, *, predictions: Predictions, seed: int, resamples: int) -> Group:
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
    """The names of the metrics of which a kind of lesion has fewer than FEWEST_LESIONS lesions.

    A mean over classes has them all: resamples without one of them would be means over other classes.
    """
    malignant = np.isin(labels, MALIGNANT)
    kinds = {
        "balanced_accuracy": tuple(labels == present for present in np.unique(labels)),
        "malignant_auc": (malignant, ~malignant),
        "melanoma_recall": (labels == CLASSES.index("mel"),),
    }
    return [name for name, rows in kinds.items() if min(len(np.unique(lesions[row])) for row in rows) < FEWEST_LESIONS]
