"""Features of the training images -> how a bundle tells images that it was not made for, and how well it does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.image import Preprocessing, fit
from inference.manifest import Interval
from inference.novelty import MOST_COMPONENTS, Novelty, Trial, scores
from inference.probability import softmax
from inference.risk import MEDIUM_CONFIDENCE
from training import photos
from training.config import Config
from training.dataset import labels_of
from training.evaluation import Findings, Predict, respond
from training.folds import Folds
from training.metrics import Labels, roc_areas
from training.resampling import interval, lesion_weights
from training.split import Split

COMPONENTS = 32  # chosen by measurement, as the score was: docs/decisions/0012-input-quality.md
KEPT = 0.95
# Of three networks' directions together (inference.novelty allows 128), and of scores of single networks: those of the
# mean that is served spread less, so that the line which 7 % of the former pass is passed by 5 % of the latter.
COMPONENTS_OF_MEMBER, KEPT_OF_MEMBERS = 42, 0.93


@dataclass(frozen=True, slots=True)
class Measured:
    """Directions float16 [d, C], and the scores float64 [n] of images that they were not taken from."""

    components: NDArray[np.float16]
    validation: NDArray[np.float64]
    test: NDArray[np.float64]
    kept: float


def learn_novelty(predict: Predict, *, config: Config, split: Split | Folds, findings: Findings) -> Novelty:
    """Directions from the training part, the threshold from the validation part, the trial on test part and photos.

    After a cross-validation each network has its own directions, from what it was trained on, and its held-out images
    give the threshold.
    """
    if isinstance(split, Folds):
        measured = _measure_folds(split, findings)
    else:
        training = respond(predict, split.train, config.model.preprocessing)
        components = find_components(training.pooled, labels_of(split.train))
        validation, test = (scores(each, components) for each in (findings.validation_features, findings.test_features))
        measured = Measured(components, validation, test, KEPT)
    trial = _try_out(predict, measured, config=config, findings=findings)
    return Novelty(components=measured.components, trial=trial)


def _measure_folds(folds: Folds, findings: Findings) -> Measured:
    """Here every image has the same weight: networks that were fine-tuned whole represent the rare classes anyway."""
    width = findings.test_features.shape[1] // folds.count
    count = min(COMPONENTS_OF_MEMBER, MOST_COMPONENTS // folds.count)
    components = np.zeros((folds.count * count, folds.count * width), np.float16)
    held_out = np.empty(len(folds.records))
    for fold in range(folds.count):
        own, out = slice(fold * width, (fold + 1) * width), folds.of_image == fold
        features = findings.test_features[:, own]
        alike = np.zeros(int((~out).sum()), np.int64)
        found = find_components(features[~out], alike, count=count)
        components[fold * count : (fold + 1) * count, own] = found
        held_out[out] = scores(features[out], found)
    return Measured(components, held_out, held_out, KEPT_OF_MEMBERS)


def find_components(pooled: NDArray[np.float32], labels: Labels, *, count: int = COMPONENTS) -> NDArray[np.float16]:
    """The main directions of features [n, C], every class with the same weight: float16 [count, C], orthonormal.

    Eigenvectors of the uncentred second moment. With the same weight for every image they would neglect the rare
    classes: of the vascular lesions 10 in 24 were flagged, and 2 in 24 are now.
    """
    x = pooled.astype(np.float64)
    weights = 1 / np.bincount(labels)[labels]
    moment = (x * weights[:, np.newaxis]).T @ x
    _, vectors = np.linalg.eigh(moment)  # ascending
    return np.asarray(vectors[:, : -count - 1 : -1].T, np.float16)


def choose_threshold(validation: NDArray[np.float64], kept: float = KEPT) -> float:
    """The least score that the share `kept` of the validation scores [n] do not exceed."""
    return float(np.quantile(validation, kept, method="higher"))


def _try_out(predict: Predict, measured: Measured, *, config: Config, findings: Findings) -> Trial:
    test, threshold = measured.test, choose_threshold(measured.validation, measured.kept)
    shown = [window for path in photos.photo_files() for window in photos.windows(path)]
    names, whole = np.array([window.photo for window in shown]), np.array([window.whole for window in shown])
    responses = predict(_squares(shown, config.model.preprocessing))
    found = scores(responses.pooled, measured.components)
    beyond = found > threshold
    confident = softmax(responses.logits, findings.temperature).max(axis=1) >= MEDIUM_CONFIDENCE

    def area(rows: NDArray[np.bool_]) -> Interval:
        score, groups = np.append(test, found[rows]), np.append(findings.test.lesion_ids, names[rows])
        weights = lesion_weights(groups, resamples=1000, seed=config.seed)
        return interval(roc_areas(np.arange(len(score)) >= len(test), score, weights))

    return Trial(
        threshold=threshold,
        validation_kept=float((measured.validation <= threshold).mean()),
        test_flagged=float((test > threshold).mean()),
        source=photos.source(),
        photos=int(whole.sum()),
        flagged=int((whole & beyond).sum()),
        confident=int((whole & ~beyond & confident).sum()),
        auc=area(whole),
        windows=len(shown),
        windows_flagged=int(beyond.sum()),
        windows_auc=area(np.ones_like(whole)),
    )


def _squares(shown: list[photos.Window], spec: Preprocessing) -> NDArray[np.uint8]:
    return np.stack([fit(window.rgb, spec) for window in shown])
