"""Fits and evaluates the out-of-distribution detector of a bundle, from the features of the training images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from inference.bundle.manifest import Interval
from inference.bundle.out_of_distribution import (
    MAX_COMPONENTS,
    FarEvaluation,
    FarKind,
    OodDetector,
    OodEvaluation,
    scores,
)
from inference.domain.probability import softmax
from inference.domain.risk import MEDIUM_CONFIDENCE
from inference.imaging.preprocessing import Preprocessing, fit
from training.config import Config
from training.data import ood_photos
from training.data.data_split import DataSplit, Folds, Split
from training.data.far_images import far_images
from training.data.prepared_images import labels_of
from training.evaluation.bootstrap import interval, lesion_weights
from training.evaluation.curves import roc
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

    `kept` is the share of the validation images that must stay below the threshold. `beyond`: which test images, bool
    [n], are above a threshold that was chosen on other images. `networks`: how many networks the features [.., C] and
    the directions consist of, in blocks of equal size; one of them scored each test image.
    """

    components: NDArray[np.float16]
    validation: NDArray[np.float64]
    test: NDArray[np.float64]
    kept: float
    beyond: NDArray[np.bool_]
    networks: int

    def single_scores(self, pooled: NDArray[np.float32]) -> NDArray[np.float64]:
        """The scores [n] of features [n, C], each image by one of the networks, in turn."""
        found = np.empty(len(pooled))
        rows, columns = len(self.components) // self.networks, pooled.shape[1] // self.networks
        for network in range(self.networks):
            own = slice(network * columns, (network + 1) * columns)
            components = self.components[network * rows : (network + 1) * rows, own]
            found[network :: self.networks] = scores(pooled[network :: self.networks, own], components)
        return found


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
    beyond = test > choose_threshold(validation, KEPT)
    return Fitted(components, validation, test, KEPT, beyond, networks=1)


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
    beyond = beyond_others(held_out_scores, folds.of_image)
    return Fitted(components, held_out_scores, held_out_scores, KEPT_OF_MEMBERS, beyond, networks=folds.count)


def beyond_others(held_out: NDArray[np.float64], of_image: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which scores [n] are above the threshold that the scores of the other folds give; `of_image`: each one's fold."""
    beyond = np.empty(len(held_out), bool)
    for fold in np.unique(of_image):
        beyond[of_image == fold] = held_out[of_image == fold] > choose_threshold(
            held_out[of_image != fold], KEPT_OF_MEMBERS
        )
    return beyond


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
    flagged = scores(responses.pooled, fitted.components) > threshold
    confident = softmax(responses.logits, evaluation.temperature).max(axis=1) >= MEDIUM_CONFIDENCE

    def auc(rows: NDArray[np.bool_]) -> Interval:
        single = fitted.single_scores(
            responses.pooled[rows]
        )  # as the test images have them; each network takes its share
        score, groups = np.append(test, single), np.append(evaluation.test.lesion_ids, photos[rows])
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
        far=_evaluate_far(predict, fitted, spec=spec, lesions=evaluation.test.lesion_ids, seed=seed),
    )


def _evaluate_far(
    predict: Predict, fitted: Fitted, *, spec: Preprocessing, lesions: NDArray[np.str_], seed: int
) -> FarEvaluation:
    """`lesions` [n]: of the test images."""
    weights = lesion_weights(lesions, resamples=1000, seed=seed)
    return FarEvaluation(
        false_flags=interval((weights @ fitted.beyond) / weights.sum(axis=1)),
        kinds={
            far.kind: measure_kind(
                predict(np.stack([fit(rgb, spec) for rgb in far.images])).pooled,
                fitted,
                source=far.source,
                lesions=lesions,
                seed=seed,
            )
            for far in far_images()
        },
    )


def measure_kind(
    pooled: NDArray[np.float32], fitted: Fitted, *, source: str, lesions: NDArray[np.str_], seed: int
) -> FarKind:
    """Measure the detector on features [m, C] of one kind of images; `lesions` [n]: of the test images.

    The area has the interval of the bootstrap over lesions and images, the share that is flagged the exact binomial one
    (Clopper and Pearson 1934), because a bootstrap has no width where all are flagged.
    """
    score = np.append(fitted.test, fitted.single_scores(pooled))
    far = np.arange(len(score)) >= len(fitted.test)
    groups = np.append(lesions, [f"{source} {number}" for number in range(len(pooled))])
    weights = lesion_weights(groups, resamples=1000, seed=seed)
    flags = scores(pooled, fitted.components) > choose_threshold(fitted.validation, fitted.kept)
    ends = binomtest(int(flags.sum()), len(flags)).proportion_ci(0.95, "exact")
    return FarKind(
        source=source,
        images=len(pooled),
        auc=interval(roc_areas(far, score, weights)),
        flagged=Interval(value=float(flags.mean()), low=float(ends.low), high=float(ends.high)),
        roc=roc(far, score),
    )
