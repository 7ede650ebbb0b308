"""Labels and probabilities -> numbers with intervals. Classes are in taxonomy order everywhere."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import rankdata
from sklearn.metrics import confusion_matrix

from inference.manifest import Interval, Metrics
from inference.probability import softmax
from inference.risk import Thresholds
from inference.taxonomy import CLASSES, MALIGNANT

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]

BINS = 15


def measure(
    labels: Labels,
    probabilities: Probabilities,
    *,
    lesions: NDArray[np.str_],
    source: str,
    command: str,
    seed: int,
    resamples: int = 1000,
) -> Metrics:
    """Every number of the card, with 95 % percentile bootstrap intervals that draw lesions, not images."""
    _, group = np.unique(lesions, return_inverse=True)
    members = [np.flatnonzero(group == number) for number in range(group.max() + 1)]
    generator = np.random.default_rng(seed)
    draws = []
    for _ in range(resamples):
        rows = np.concatenate([members[i] for i in generator.integers(len(members), size=len(members))])
        draws.append(_all_numbers(labels[rows], probabilities[rows]))
    spread = {key: np.array([draw[key] for draw in draws]) for key in draws[0]}
    values = {key: _interval(value, spread[key]) for key, value in _all_numbers(labels, probabilities).items()}
    return Metrics(
        source=source,
        command=command,
        images=len(labels),
        lesions=len(members),
        overall={name: interval for (name, code), interval in values.items() if not code},
        per_class={code: {name: interval for (name, of), interval in values.items() if of == code} for code in CLASSES},
        confusion=tuple(tuple(int(n) for n in row) for row in _confusion(labels, probabilities)),
    )


def _interval(value: float, draws: NDArray[np.float64]) -> Interval:
    low, high = np.nanpercentile(draws, [2.5, 97.5])  # a draw without a class has no recall or AUC for it
    return Interval(value=float(value), low=float(low), high=float(high))


def _all_numbers(labels: Labels, probabilities: Probabilities) -> dict[tuple[str, str], float]:
    """{(name, class or ""): value}."""
    confusion = _confusion(labels, probabilities).astype(np.float64)
    hits, true, claimed = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hits / true
        precision = np.where(claimed > 0, hits / claimed, 0.0)
        f1 = np.where(true > 0, 2 * hits / (true + claimed), np.nan)
    auc = np.array([roc_auc(labels == c, probabilities[:, c]) for c in range(len(CLASSES))])
    numbers = {
        ("accuracy", ""): hits.sum() / confusion.sum(),
        ("accuracy_of_always_nv", ""): true[CLASSES.index("nv")] / confusion.sum(),
        ("balanced_accuracy", ""): np.nanmean(recall),
        ("macro_f1", ""): np.nanmean(f1),
        ("weighted_f1", ""): np.nansum(f1 * true) / true.sum(),
        ("macro_auc", ""): np.nanmean(auc),
        ("malignant_auc", ""): malignant_auc(labels, probabilities),
        ("calibration_error", ""): expected_calibration_error(labels, probabilities),
    }
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1), ("auc", auc)):
        numbers |= {(name, code): values[i] for i, code in enumerate(CLASSES)}
    return {key: float(value) for key, value in numbers.items()}


def _confusion(labels: Labels, probabilities: Probabilities) -> NDArray[np.int64]:
    """Counts [7, 7]: true classes are rows, predicted ones columns."""
    return np.asarray(confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(len(CLASSES))))


def roc_auc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Area under the ROC curve by ranks (Mann-Whitney U); NaN unless both kinds are there."""
    count = int(positive.sum())
    if count in (0, len(positive)):
        return float("nan")
    excess = rankdata(score)[positive].sum() - count * (count + 1) / 2
    return float(excess / (count * (len(positive) - count)))


def malignant_auc(labels: Labels, probabilities: Probabilities) -> float:
    """AUC of the malignant probability against the malignant group."""
    return roc_auc(np.isin(labels, MALIGNANT), probabilities[:, list(MALIGNANT)].sum(axis=1))


def expected_calibration_error(labels: Labels, probabilities: Probabilities) -> float:
    """Mean distance of confidence and accuracy over BINS equal bins, weighted by their size (Guo et al. 2017)."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(number, confidence - right, BINS)
    return float(np.abs(gaps).sum() / len(labels))


def choose_thresholds(
    labels: Labels, probabilities: Probabilities, *, sensitivity: float = 0.95, specificity: float = 0.90
) -> Thresholds:
    """The risk thresholds, from validation data.

    moderate: `sensitivity` of the malignant lesions lie at or above it. high: `specificity` of the benign ones lie
    below it (and it is never below moderate).
    """
    score = probabilities[:, list(MALIGNANT)].sum(axis=1)
    malignant = np.isin(labels, MALIGNANT)
    moderate = float(np.quantile(score[malignant], 1 - sensitivity, method="lower"))
    high = float(np.quantile(score[~malignant], specificity, method="higher"))
    return Thresholds(moderate=moderate, high=max(high, moderate))


def fit_temperature(labels: Labels, logits: NDArray[np.float32]) -> float:
    """The temperature that minimises the negative log-likelihood of validation data (Guo et al. 2017)."""
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return float(-np.log(softmax(logits, np.exp(log_temperature))[rows, labels] + 1e-300).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))
