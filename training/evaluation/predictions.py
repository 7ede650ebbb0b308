"""The predictions of a model for every image of a split, stored as CSV: comparisons need neither model nor images."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import classification_report

from inference.domain.probability import softmax
from inference.domain.taxonomy import CLASSES
from training.text_files import UnreadableText, parse_number, read_cells

_HEADER = (
    "image_id",
    "lesion_id",
    "diagnosis",
    "predicted",
    *(f"probability_{code}" for code in CLASSES),
    *(f"logit_{code}" for code in CLASSES),
)
_PROBABILITIES = slice(4, 4 + len(CLASSES))
_LOGITS = slice(4 + len(CLASSES), None)


class InvalidPredictions(ValueError):
    """The file is not a table of predictions; the message names the file, the line and the cause."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The predictions for n images.

    `image_ids`: [n], unique. `lesion_ids`: [n]. `labels`: int64 [n], indices into CLASSES. `probabilities`: float64
    [n, 7], calibrated. `logits`: float32 [n, 7], before temperature scaling.
    """

    image_ids: NDArray[np.str_]
    lesion_ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    logits: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The index of the most probable class, int64 [n]."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def uncalibrated(self) -> NDArray[np.float64]:
        """The probabilities before temperature scaling, float64 [n, 7]."""
        return softmax(self.logits)

    def at(self, rows: NDArray[Any]) -> Predictions:
        """The predictions of these rows (indices or a mask), in this order."""
        return Predictions(
            self.image_ids[rows], self.lesion_ids[rows], self.labels[rows], self.probabilities[rows], self.logits[rows]
        )


def from_logits(
    logits: NDArray[np.float32],
    *,
    temperature: float,
    image_ids: Sequence[str],
    lesion_ids: Sequence[str] | NDArray[np.str_],
    labels: NDArray[np.int64],
) -> Predictions:
    """Predictions whose probabilities are softmax(logits / temperature)."""
    return Predictions(
        np.array(image_ids),
        np.array(lesion_ids),
        np.asarray(labels, np.int64),
        softmax(logits, temperature),
        np.asarray(logits, np.float32),
    )


def write_predictions(predictions: Predictions, path: Path) -> None:
    """Write CSV with one line for each image. read_predictions returns exactly the same floats."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEADER)
        for row in range(len(predictions)):
            writer.writerow(
                (
                    predictions.image_ids[row],
                    predictions.lesion_ids[row],
                    CLASSES[predictions.labels[row]],
                    CLASSES[predictions.predicted[row]],
                    *(repr(float(value)) for value in predictions.probabilities[row]),
                    *(f"{value:.9g}" for value in predictions.logits[row]),  # 9 digits identify a float32
                )
            )


def read_predictions(path: Path) -> Predictions:
    """Read what write_predictions wrote.

    Raises InvalidPredictions for a missing file, other columns, an unknown class, an image listed twice, and values
    that are not probabilities or logits.
    """
    try:
        (_, header), *lines = read_cells(path) or [(1, [])]
    except (OSError, UnreadableText) as error:
        raise InvalidPredictions(f"{path} cannot be read as CSV: {error}") from error
    if tuple(header) != _HEADER:
        columns = ", ".join(header[:4]) or "nothing"
        raise InvalidPredictions(
            f"{path} is not a table of predictions: its columns start with {columns}; expected "
            f"{', '.join(_HEADER[:4])}, then seven probabilities and seven logits."
        )
    if not lines:
        raise InvalidPredictions(f"{path} contains no predictions.")
    parsed = [_parse(row, place=f"{path}, row {number}") for number, row in lines]
    rows = [row for _, row in lines]
    image_ids = np.array([row[0] for row in rows])
    if len(set(image_ids.tolist())) < len(image_ids):
        raise InvalidPredictions(f"{path} lists an image more than once.")
    return Predictions(
        image_ids,
        np.array([row[1] for row in rows]),
        np.array([label for label, _, _ in parsed], np.int64),
        np.stack([probabilities for _, probabilities, _ in parsed]),
        np.stack([logits for _, _, logits in parsed]),
    )


def _parse(row: list[str], *, place: str) -> tuple[int, NDArray[np.float64], NDArray[np.float32]]:
    if len(row) != len(_HEADER):
        raise InvalidPredictions(f"{place}: {len(row)} values, expected {len(_HEADER)}.")
    if row[2] not in CLASSES:
        raise InvalidPredictions(f"{place}: unknown diagnosis {row[2]!r}.")
    try:
        probabilities = np.array([parse_number(value) for value in row[_PROBABILITIES]])
        logits = np.array([parse_number(value) for value in row[_LOGITS]]).astype(np.float32)
    except ValueError as error:
        raise InvalidPredictions(f"{place}: {error}.") from error
    if not (np.isfinite(logits).all() and (probabilities >= 0).all() and abs(probabilities.sum() - 1) < 1e-6):
        raise InvalidPredictions(f"{place}: logits must be finite, and probabilities must be 0 or more with the sum 1.")
    return CLASSES.index(row[2]), probabilities, logits


def report_json(predictions: Predictions) -> dict[str, Any]:
    """scikit-learn's classification report: {class or average: {precision, recall, f1-score, support}, accuracy}."""
    return dict(_report(predictions, output_dict=True))


def report_text(predictions: Predictions) -> str:
    """The same report as a text table."""
    return str(_report(predictions, digits=3))


def _report(predictions: Predictions, **form: Any) -> Any:
    return classification_report(
        predictions.labels,
        predictions.predicted,
        labels=range(len(CLASSES)),
        target_names=CLASSES,
        zero_division=0,
        **form,
    )


def draw_cases(predictions: Predictions, *, count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ascending rows of at most `count` right and `count` wrong predictions, drawn at random from the seed."""
    generator = np.random.default_rng(seed)
    right = predictions.predicted == predictions.labels
    drawn = (generator.permutation(np.flatnonzero(kind))[:count] for kind in (right, ~right))
    chosen_right, chosen_wrong = (np.sort(rows) for rows in drawn)
    return chosen_right, chosen_wrong
