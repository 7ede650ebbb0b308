"""Fits and evaluates the out-of-distribution detector of a bundle, from the features of the training images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.bundle.manifest import Interval
from inference.bundle.out_of_distribution import MAX_COMPONENTS, OodDetector, OodEvaluation, scores
from inference.domain.probability import softmax
from inference.domain.risk import MEDIUM_CONFIDENCE
from inference.imaging.preprocessing import Preprocessing, fit
from training.config import Config
from training.data import ood_photos
from training.data.data_split import DataSplit, Folds, Split
from training.data.prepared_images import labels_of
from training.evaluation.bootstrap import interval, lesion_weights
from training.evaluation.evaluate import EvaluationResult, Predict, respond
from training.evaluation.metrics import Labels, roc_areas

COMPONENTS = 32  # chosen by measurement, as the score was: docs/decisions/0012-input-quality.md
KEPT = 0.95
# For the directions of three networks together (a bundle allows 128), and for scores of single networks. The scores of
# the mean that is served spread less: the threshold that 7 % of single scores exceed is exceeded by 5 % of those.
COMPONENTS_OF_MEMBER, KEPT_OF_MEMBERS = 42, 0.93


@dataclass(frozen=True, slots=True)
class Fitted:
    """Directions float16 [d, C], and the scores float64 [n] of images that the directions were not fitted to.

    `kept` is the share of the validation images that must stay below the threshold.
    """

    components: NDArray[np.float16]
    validation: NDArray[np.float64]
    test: NDArray[np.float64]
    kept: float


def fit_ood_detector(
    predict: Predict, *, config: Config, split: DataSplit, evaluation: EvaluationResult
) -> OodDetector:
    """Fit directions to the training set, choose the threshold on the validation set, evaluate on test set and photos.

    After a cross-validation each network has its own directions, fitted to the images that it was trained on; the
    held-out images give the threshold and are evaluated. Raises InvalidDataset.
    """
    fitted = split.by_kind(
        split=lambda split: _fit_split(predict, split, spec=config.model.preprocessing, evaluation=evaluation),
        folds=lambda folds: _fit_folds(folds, evaluation),
    )
    ood_evaluation = _evaluate(
        predict, fitted, spec=config.model.preprocessing, seed=config.seed, evaluation=evaluation
    )
    return OodDetector(components=fitted.components, evaluation=ood_evaluation)


def _fit_split(predict: Predict, split: Split, *, spec: Preprocessing, evaluation: EvaluationResult) -> Fitted:
    training = respond(predict, split.train, spec)
    components = find_components(training.pooled, labels_of(split.train))
    validation, test = (
        scores(features, components) for features in (evaluation.validation_features, evaluation.test_features)
    )
    return Fitted(components, validation, test, KEPT)


def _fit_folds(folds: Folds, evaluation: EvaluationResult) -> Fitted:
    """Every image has the same weight here: networks fine-tuned as a whole represent the rare classes without it."""
    width = evaluation.test_features.shape[1] // folds.count
    count = min(COMPONENTS_OF_MEMBER, MAX_COMPONENTS // folds.count)
    components = np.zeros((folds.count * count, folds.count * width), np.float16)
    held_out_scores = np.empty(len(folds.records))
    for fold in range(folds.count):
        columns, held_out = slice(fold * width, (fold + 1) * width), folds.of_image == fold
        features = evaluation.test_features[:, columns]
        one_class = np.zeros(int((~held_out).sum()), np.int64)
        own = find_components(features[~held_out], one_class, count=count)
        components[fold * count : (fold + 1) * count, columns] = own
        held_out_scores[held_out] = scores(features[held_out], own)
    return Fitted(components, held_out_scores, held_out_scores, KEPT_OF_MEMBERS)


def find_components(pooled: NDArray[np.float32], labels: Labels, *, count: int = COMPONENTS) -> NDArray[np.float16]:
    """The main directions of features float32 [n, C] with class indices [n]: float16 [count, C], orthonormal.

    These are eigenvectors of the uncentred second moment, in which every class has the same weight. With the same
    weight for every image they neglect the rare classes: 10 of 24 vascular lesions were flagged then, 2 of 24 are now.
    """
    x = pooled.astype(np.float64)
    weights = 1 / np.bincount(labels)[labels]
    moment = (x * weights[:, np.newaxis]).T @ x
    _, vectors = np.linalg.eigh(moment)  # ascending
    return np.asarray(vectors[:, : -count - 1 : -1].T, np.float16)


def choose_threshold(validation: NDArray[np.float64], kept: float = KEPT) -> float:
    """The smallest of the validation scores float64 [n] that the share `kept` of them do not exceed."""
    return float(np.quantile(validation, kept, method="higher"))


def _evaluate(
    predict: Predict, fitted: Fitted, *, spec: Preprocessing, seed: int, evaluation: EvaluationResult
) -> OodEvaluation:
    test, threshold = fitted.test, choose_threshold(fitted.validation, fitted.kept)
    windows = [window for path in ood_photos.photo_files() for window in ood_photos.windows(path)]
    photos, whole = np.array([window.photo for window in windows]), np.array([window.whole for window in windows])
    responses = predict(np.stack([fit(window.rgb, spec) for window in windows]))
    window_scores = scores(responses.pooled, fitted.components)
    flagged = window_scores > threshold
    confident = softmax(responses.logits, evaluation.temperature).max(axis=1) >= MEDIUM_CONFIDENCE

    def auc(rows: NDArray[np.bool_]) -> Interval:
        score, groups = np.append(test, window_scores[rows]), np.append(evaluation.test.lesion_ids, photos[rows])
        weights = lesion_weights(groups, resamples=1000, seed=seed)
        return interval(roc_areas(np.arange(len(score)) >= len(test), score, weights))

    return OodEvaluation(
        threshold=threshold,
        validation_kept=float((fitted.validation <= threshold).mean()),
        test_flagged=float((test > threshold).mean()),
        source=ood_photos.source(),
        photos=int(whole.sum()),
        flagged=int((whole & flagged).sum()),
        confident=int((whole & ~flagged & confident).sum()),
        auc=auc(whole),
        windows=len(windows),
        windows_flagged=int(flagged.sum()),
        windows_auc=auc(np.ones_like(whole)),
    )
