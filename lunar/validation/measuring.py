"""Answers of a bundle for labelled images, and everything that is measured on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.bundle.evaluation_curves import Curves
from inference.bundle.manifest import Interval, StrictModel
from inference.bundle.subgroups import Group
from inference.domain.taxonomy import CLASSES, MALIGNANT
from inference.prediction.classifier import Classifier
from inference.progress import tracked
from lunar.scoring.images import shown
from lunar.scoring.scorer import Scorer
from lunar.validation.labels import InvalidLabels, LabelTable
from lunar.validation.matching import match
from training.data.attributes import group_of
from training.evaluation.bootstrap import Draws, interval, lesion_weights
from training.evaluation.curves import measure_curves
from training.evaluation.metrics import confusion_counts, resampled_numbers
from training.evaluation.operating_points import Calibration, OperatingPoint, calibration, operating_points
from training.evaluation.predictions import Predictions, from_logits
from training.evaluation.subgroups import measure_subgroups

MOST_GROUPS = 30  # of a column: a table of more is not read
MALIGNANT_KIND = "malignant"  # beside the codes of the classes
_AGES = ("age", "age_approx")
_OF_ALL_CLASSES = ("balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "macro_auc")


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """The predictions for the images that could be read, what could not, and how often each warning was given."""

    predictions: Predictions
    unreadable: Mapping[str, str]
    missing: tuple[str, ...]
    unlabelled: int
    warnings: Mapping[str, int]


class Measured(StrictModel):
    """All numbers. A number is None where it is not defined, such as the recall of a class without images.

    `counts`: images of each class. `groups_with`, `groups_without`: independent groups with an image of a class (or of
    a malignant one, MALIGNANT_KIND), and with one of another.
    """

    images: int
    groups: int
    counts: dict[str, int]
    groups_with: dict[str, int]
    groups_without: dict[str, int]
    overall: dict[str, Interval | None]
    per_class: dict[str, dict[str, Interval | None]]
    confusion: tuple[tuple[int, ...], ...]
    calibration: Calibration
    operating_points: tuple[OperatingPoint, ...]
    curves: Curves
    subgroups: tuple[Group, ...]


def answer(classifier: Classifier, table: LabelTable, folder: Path) -> Answered:
    """Classify the labelled images of a folder and its folders. Raises InvalidLabels, NoImages."""
    found = match(table, folder)
    present = found.labelled
    logits, rows, unreadable, warnings = [], [], {}, Counter[str]()
    scored = Scorer(classifier, tta=1, explanation=None).score(present)
    for result in tracked(scored, "classifying", total=len(present)):
        if result.analysis is None:
            unreadable[shown(result.name)] = result.error
            continue
        rows.append(present[result.name])
        warnings.update(result.analysis.prediction.warnings)
        # Softmax of the logits over the temperature gave the probabilities; of one view, it can be undone.
        logits.append(np.log(np.maximum(result.analysis.prediction.probabilities, 1e-300)))
    if not rows:
        raise InvalidLabels(f"none of the {len(present)} images in {folder} can be read")
    temperature = classifier.bundle.manifest.temperature
    predictions = from_logits(
        (np.stack(logits) * temperature).astype(np.float32),
        temperature=temperature,
        image_ids=[row.image for row in rows],
        lesion_ids=[row.group for row in rows],
        labels=np.array([row.label for row in rows]),
    )
    return Answered(predictions, unreadable, found.missing, found.unlabelled, dict(warnings))


def measure(
    classifier: Classifier, answered: Answered, attributes: Mapping[str, Mapping[str, str]], *, seed: int
) -> Measured:
    """All metrics, with intervals by bootstrap over the groups; `attributes`: as subgroups_by gives them."""
    own = answered.predictions
    values = _intervals(own, seed=seed)
    with_, without = _groups(own)
    counts = np.bincount(own.labels, minlength=len(CLASSES))
    return Measured(
        images=len(own),
        groups=len(np.unique(own.lesion_ids)),
        counts=dict(zip(CLASSES, counts.tolist(), strict=True)),
        groups_with=with_,
        groups_without=without,
        overall={name: value for (name, code), value in values.items() if not code},
        per_class={code: {name: value for (name, of), value in values.items() if of == code} for code in CLASSES},
        confusion=tuple(tuple(int(n) for n in row) for row in confusion_counts(own.labels, own.probabilities)),
        calibration=calibration(own, seed=seed),
        operating_points=operating_points(own, seed=seed),
        curves=measure_curves(own, thresholds=classifier.bundle.manifest.thresholds, seed=seed),
        subgroups=measure_subgroups(own, attributes, seed=seed),
    )


def subgroups_by(table: LabelTable, columns: list[str]) -> dict[str, dict[str, str]]:
    """{column: {image: group}}, of ages their bands. Raises InvalidLabels, InvalidDataset for what is no age."""
    return {column: _subgroups(table, column) for column in columns}


def _intervals(own: Predictions, *, seed: int) -> dict[tuple[str, str], Interval | None]:
    """By metric and class. A mean over classes leaves out the resamples that lack a class: theirs is another mean."""
    weights = lesion_weights(own.lesion_ids, resamples=1000, seed=seed)
    values = resampled_numbers(own.labels, own.probabilities, weights)
    complete = ~np.logical_or.reduce([np.isnan(values["recall", CLASSES[c]]) for c in np.unique(own.labels)])
    for name in _OF_ALL_CLASSES:
        values[name, ""] = np.where(complete, values[name, ""], np.nan)
    return {key: _interval(draws) for key, draws in values.items()}


def _interval(draws: Draws) -> Interval | None:
    defined = ~np.isnan(draws)
    return interval(draws) if defined[0] and defined[1:].any() else None


def _groups(own: Predictions) -> tuple[dict[str, int], dict[str, int]]:
    """How many independent groups have an image of each kind, and how many have one of another kind."""
    kinds: dict[str, NDArray[np.bool_]] = {code: own.labels == number for number, code in enumerate(CLASSES)}
    kinds[MALIGNANT_KIND] = np.isin(own.labels, MALIGNANT)
    with_ = {kind: len(np.unique(own.lesion_ids[rows])) for kind, rows in kinds.items()}
    return with_, {kind: len(np.unique(own.lesion_ids[~rows])) for kind, rows in kinds.items()}


def _subgroups(table: LabelTable, column: str) -> dict[str, str]:
    if column not in table.columns:
        raise InvalidLabels(f"there is no column {column}; there are: {', '.join(table.columns)}")
    kind = "age" if column.lower() in _AGES else column
    groups = {image: group_of(kind, cell) for image, cell in table.columns[column].items()}
    if (count := len(set(groups.values()))) > MOST_GROUPS:
        raise InvalidLabels(f"the column {column} has {count} different values; at most {MOST_GROUPS} are subgroups")
    return groups
