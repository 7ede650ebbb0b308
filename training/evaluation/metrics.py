"""Metrics of labels and probabilities, with confidence intervals. Classes are always in the order of CLASSES."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from inference.bundle.manifest import TEST_SET, EvaluatedOn, Metrics
from inference.domain.probability import softmax
from inference.domain.risk import Thresholds
from inference.domain.taxonomy import CLASSES, MALIGNANT
from inference.progress import long_step
from training.evaluation.bootstrap import Draws, Weights, interval, lesion_weights

Labels = NDArray[np.int64]  # [n], indices into CLASSES
Probabilities = NDArray[np.float64]  # [n, 7]

BINS = 15  # of confidence
ROWS = 100  # resamples between two signs of progress


def measure(
    labels: Labels,
    probabilities: Probabilities,
    *,
    lesions: NDArray[np.str_],
    evaluated_on: EvaluatedOn,
    command: str,
    seed: int,
    resamples: int = 1000,
) -> Metrics:
    """All metrics of the model card, with 95 % percentile intervals by bootstrap over lesions (ids [n])."""
    draws = resampled_numbers(labels, probabilities, lesion_weights(lesions, resamples=resamples, seed=seed))
    values = {key: interval(of_metric) for key, of_metric in draws.items()}
    return Metrics(
        source=f"the {TEST_SET}" if evaluated_on == TEST_SET else evaluated_on,
        evaluated_on=evaluated_on,
        command=command,
        images=len(labels),
        lesions=len(np.unique(lesions)),
        overall={name: value for (name, code), value in values.items() if not code},
        per_class={code: {name: value for (name, of), value in values.items() if of == code} for code in CLASSES},
        confusion=tuple(tuple(int(n) for n in row) for row in confusion_counts(labels, probabilities)),
    )


def resampled_numbers(labels: Labels, probabilities: Probabilities, weights: Weights) -> dict[tuple[str, str], Draws]:
    """What all_numbers returns, computed for ROWS rows of the weights at a time, with their progress."""
    parts = []
    with long_step("resampling", total=len(weights), unit="resamples") as step:
        for first in range(0, len(weights), ROWS):
            parts.append(all_numbers(labels, probabilities, weights[first : first + ROWS]))
            step.advance(len(weights[first : first + ROWS]))
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def all_numbers(labels: Labels, probabilities: Probabilities, weights: Weights) -> dict[tuple[str, str], Draws]:
    """Every metric by (name, class code or ""), float64 [r]: one value for each row of the weights [r, n].

    A class that is absent from a row has no recall, F1 or AUC there (NaN) and is left out of the means.
    """
    confusion = _weighted_confusion(labels, probabilities, weights)
    hits, true, predicted = np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=2), confusion.sum(axis=1)
    total = true.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hits / true
        precision = np.where(predicted > 0, hits / predicted, 0.0)
        f1 = np.where(true > 0, 2 * hits / (true + predicted), np.nan)
    auc = np.stack([roc_areas(labels == c, probabilities[:, c], weights) for c in range(len(CLASSES))], axis=1)
    malignant, score = malignancy(labels, probabilities)
    numbers = {
        ("accuracy", ""): hits.sum(axis=1) / total,
        ("accuracy_of_always_nv", ""): true[:, CLASSES.index("nv")] / total,
        ("balanced_accuracy", ""): _mean(recall),
        ("macro_precision", ""): _mean(np.where(true > 0, precision, np.nan)),
        ("macro_recall", ""): _mean(recall),
        ("macro_f1", ""): _mean(f1),
        ("weighted_precision", ""): (precision * true).sum(axis=1) / total,
        ("weighted_recall", ""): hits.sum(axis=1) / total,
        ("weighted_f1", ""): np.nansum(f1 * true, axis=1) / total,
        ("macro_auc", ""): _mean(auc),
        ("malignant_auc", ""): roc_areas(malignant, score, weights),
        ("calibration_error", ""): calibration_errors(labels, probabilities, weights),
    }
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1), ("auc", auc)):
        numbers |= {(name, code): values[:, i] for i, code in enumerate(CLASSES)}
    return numbers


def _mean(values: Draws) -> Draws:
    """Mean of the defined values of each row: [r, 7] -> [r]; NaN for a row without any."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nansum(values, axis=1) / (~np.isnan(values)).sum(axis=1))


def _weighted_confusion(labels: Labels, probabilities: Probabilities, weights: Weights) -> NDArray[np.float64]:
    """Weighted counts float64 [r, 7, 7]: rows are true classes, columns predicted classes."""
    size = len(CLASSES)
    cells = np.eye(size * size)[labels * size + probabilities.argmax(axis=1)]
    return np.asarray((weights @ cells).reshape(-1, size, size))


def confusion_counts(labels: Labels, probabilities: Probabilities) -> NDArray[np.int64]:
    """Counts int64 [7, 7]: rows are true classes, columns predicted classes."""
    return np.asarray(_weighted_confusion(labels, probabilities, np.ones((1, len(labels))))[0].astype(np.int64))


def by_score(
    positive: NDArray[np.bool_], score: NDArray[np.float64], weights: Weights
) -> tuple[Weights, Weights, NDArray[np.float64]]:
    """The weights of positives and of negatives at each of the k distinct scores, both [r, k], and the scores.

    `positive`: bool [n]. `score`: [n]. `weights`: [r, n].
    """
    order = np.argsort(score, kind="stable")
    scores, starts = np.unique(score[order], return_index=True)
    sorted_weights = weights[:, order]
    positives = np.add.reduceat(sorted_weights * positive[order], starts, axis=1)
    return positives, np.add.reduceat(sorted_weights, starts, axis=1) - positives, scores


def roc_areas(positive: NDArray[np.bool_], score: NDArray[np.float64], weights: Weights) -> Draws:
    """Area under the ROC curve for each row of the weights, [r]; NaN without positives or without negatives.

    It is the fraction of pairs of a positive and a negative that the score orders correctly; ties count half
    (Mann-Whitney U).
    """
    positives, negatives, _ = by_score(positive, score, weights)
    below = negatives.cumsum(axis=1) - negatives / 2
    with np.errstate(invalid="ignore"):
        return np.asarray((positives * below).sum(axis=1) / (positives.sum(axis=1) * negatives.sum(axis=1)))


def roc_auc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Area under the ROC curve of scores [n]; NaN without positives or without negatives."""
    return float(roc_areas(positive, score, np.ones((1, len(score))))[0])


def malignancy(labels: Labels, probabilities: Probabilities) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether each image shows a malignant lesion, bool [n], and its malignant probability, float64 [n]."""
    return np.isin(labels, MALIGNANT), probabilities[:, list(MALIGNANT)].sum(axis=1)


def expected_calibration_error(labels: Labels, probabilities: Probabilities) -> float:
    """Mean distance of confidence and accuracy over BINS equal bins, weighted by size (Guo et al., ICML 2017)."""
    return float(calibration_errors(labels, probabilities, np.ones((1, len(labels))))[0])


def calibration_errors(labels: Labels, probabilities: Probabilities, weights: Weights) -> Draws:
    """The same for each row of the weights, [r]. For a well calibrated model resamples exceed the original value."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    gaps = np.eye(BINS)[confidence_bins(confidence)] * (confidence - right)[:, np.newaxis]
    return np.asarray(np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1))


def confidence_bins(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each confidence [n], int64 0..BINS - 1."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def choose_thresholds(
    labels: Labels, probabilities: Probabilities, *, sensitivity: float = 0.95, specificity: float = 0.90
) -> Thresholds:
    """Choose the risk thresholds of the malignant probability on validation data.

    moderate: the fraction `sensitivity` of the malignant images is at or above it. high: the fraction `specificity` of
    the benign images is below it; it is at least as high as moderate. Both are above 0 and below 1.
    """
    malignant, score = malignancy(labels, probabilities)
    moderate = float(np.quantile(score[malignant], 1 - sensitivity, method="lower"))
    high = float(np.quantile(score[~malignant], specificity, method="higher"))
    # A softmax that saturates gives 0 and 1, which are no thresholds.
    moderate, high = np.clip((moderate, max(high, moderate)), np.finfo(np.float64).tiny, np.nextafter(1.0, 0.0))
    return Thresholds(moderate=float(moderate), high=float(high))


def fit_temperature(labels: Labels, logits: NDArray[np.float32]) -> float:
    """The temperature that minimises the negative log-likelihood of validation data (Guo et al., ICML 2017)."""
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return float(-np.log(softmax(logits, np.exp(log_temperature))[rows, labels] + 1e-300).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))
