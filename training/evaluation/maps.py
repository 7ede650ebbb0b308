"""Measures on a sample of images whether the heat maps show what the answer depends on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from inference.bundle.manifest import Interval
from inference.bundle.map_evaluation import CENTRE, MapCheck, MapEvaluation, MapScore
from inference.bundle.storage import Bundle, Head
from inference.domain.probability import softmax
from inference.domain.taxonomy import CLASSES
from inference.explainers import EXPLAINERS
from inference.imaging.test_time_augmentation import make_views, undo_views
from inference.progress import long_step
from inference.runtimes import Outputs, Runtime, open_runtime
from training.data import prepared_images
from training.evaluation.bootstrap import interval, lesion_weights
from training.evaluation.lesion_mask import centre_blob, lesion_mask, skin_colour
from training.evaluation.perturbation import Answer, measure_changes
from training.evaluation.shuffled_network import shuffled_features, shuffled_head

PER_CLASS = 10

Map = NDArray[np.float32]  # [side, side], 0 or more
Rows = defaultdict[str, list[tuple[float, ...]]]  # by kind of map, one tuple an image


def evaluate_maps(
    bundle: Bundle, records: prepared_images.Records, *, source: str, seed: int, per_class: int = PER_CLASS
) -> MapEvaluation:
    """Measure on `per_class` images of each class, drawn from the records. What is served is measured: the whole graph.

    Raises InvalidDataset.
    """
    generator = np.random.default_rng(seed)
    drawn = _draw(records, per_class=per_class, generator=generator)
    squares = prepared_images.prepare_images(drawn, bundle.manifest.preprocessing)
    runtime, head = open_runtime(bundle, precision="fp32"), shuffled_head(bundle.head, generator)
    unknowing, scores, checks = shuffled_features(bundle, generator), Rows(list), Rows(list)
    shares = []
    with long_step("heat maps", total=len(squares)) as step:
        for number, square in enumerate(squares):
            outputs = runtime.run(square[np.newaxis])
            code = int(outputs.logits[0].argmax())
            other = runtime.run(squares[(number + per_class) % len(squares)][np.newaxis])  # of the next class
            maps = dict(_maps(square, outputs, other, head=bundle.head, code=code, generator=generator))
            maps["gradcam, shifted"] = _with_shifted(square, maps["gradcam"], runtime, bundle, code)
            mask = lesion_mask(square)
            shares.append(float(mask.mean()))
            for name, numbers in _scores(square, maps, mask, _answer(runtime, bundle, code)).items():
                scores[name].append(numbers)
            for name, numbers in _checks(square, runtime, bundle.head, head, unknowing(square[np.newaxis]), code):
                checks[name].append(numbers)
            step.advance(1)
    return MapEvaluation(
        images=len(squares),
        source=source,
        lesion_share=float(np.mean(shares)),
        scores=_with_intervals(scores, seed),
        checks={name: _check(np.array(rows), seed) for name, rows in checks.items()},
    )


def _draw(
    records: prepared_images.Records, *, per_class: int, generator: np.random.Generator
) -> prepared_images.Records:
    """At most `per_class` records of each class, class by class."""
    labels = prepared_images.labels_of(records)
    rows = [generator.permutation(np.flatnonzero(labels == c))[:per_class] for c in range(len(CLASSES))]
    return tuple(records[row] for row in np.concatenate(rows))


def _answer(runtime: Runtime, bundle: Bundle, code: int) -> Answer:
    def answer(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        logits = np.concatenate([runtime.run(picture[np.newaxis]).logits for picture in pictures])
        return softmax(logits, bundle.manifest.temperature)[:, code]

    return answer


def _maps(
    square: NDArray[np.uint8],
    outputs: Outputs,
    other: Outputs,
    *,
    head: Head,
    code: int,
    generator: np.random.Generator,
) -> Mapping[str, Map]:
    """The maps of the explainers and the baselines for one square, each [side, side]."""
    side = square.shape[0]
    cells: dict[str, Map] = {
        name: explain(outputs.features, head)[0, :, :, code] for name, explain in EXPLAINERS.items()
    }
    # Of all the same: relu(w) alone, which is LayerCAM here (Jiang et al. 2021); HiResCAM is Grad-CAM for such a head.
    cells["layercam"] = (outputs.features @ np.maximum(head.w[:, code], 0))[0]
    cells["other image"] = EXPLAINERS["gradcam"](other.features, head)[0, :, :, code]
    cells["random"] = generator.random(cells["gradcam"].shape, dtype=np.float32)
    grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY).astype(np.float32)
    edges = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    enlarged = {name: cv2.resize(np.maximum(small, 0), (side, side)) for name, small in cells.items()}
    return enlarged | {"edges": cv2.GaussianBlur(edges, (0, 0), side / 32), CENTRE: centre_blob(side)}


def _with_shifted(square: NDArray[np.uint8], own: Map, runtime: Runtime, bundle: Bundle, code: int) -> Map:
    """The mean of a Grad-CAM map and of that of the square moved by half a cell, moved back: twice the cost."""
    side = square.shape[0]
    by = side / bundle.manifest.feature_shape[0] / 2
    there, back = np.array([[1, 0, by], [0, 1, by]]), np.array([[1, 0, -by], [0, 1, -by]])
    moved = cv2.warpAffine(square, there, (side, side), borderMode=cv2.BORDER_REFLECT)
    small = EXPLAINERS["gradcam"](runtime.run(moved[np.newaxis]).features, bundle.head)[0, :, :, code]
    relevance = cv2.warpAffine(cv2.resize(small, (side, side)), back, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray((own + relevance) / 2, np.float32)


def _scores(
    square: NDArray[np.uint8], maps: Mapping[str, Map], mask: NDArray[np.bool_], answer: Answer
) -> dict[str, tuple[float, ...]]:
    """Insertion, deletion, drop, whether the peak is inside the lesion, and the share of the map inside it."""
    found: dict[str, tuple[float, ...]] = {}
    for name, relevance in maps.items():
        changes = measure_changes(square, relevance, hidden=skin_colour(square), answer=answer)
        peak = np.unravel_index(int(relevance.argmax()), relevance.shape)
        inside = float(relevance[mask].sum() / max(float(relevance.sum()), 1e-12))
        found[name] = (changes.insertion, changes.deletion, changes.drop, float(mask[peak]), inside)
    return found


def _checks(
    square: NDArray[np.uint8], runtime: Runtime, head: Head, unknowing: Head, features: NDArray[np.float32], code: int
) -> list[tuple[str, tuple[float, ...]]]:
    """Rank correlations with the maps of the other views, of a shuffled head, and of a shuffled network.

    The last is nan if that network has no map.
    """
    outputs = runtime.run(make_views(square, 8))
    found: list[tuple[str, tuple[float, ...]]] = []
    for name, explain in EXPLAINERS.items():
        of_views = undo_views(explain(outputs.features, head)[..., code])
        own = of_views[0]
        stability = float(np.mean([_correlation(own, view) for view in of_views[1:]]))
        of_head = explain(outputs.features[:1], unknowing)[0, :, :, code]
        of_network = explain(features, unknowing)[0, :, :, code]
        with_network = _correlation(own, of_network) if np.ptp(of_network) else np.nan
        found.append((name, (stability, _correlation(own, of_head), with_network)))
    return found


def _correlation(one: Map, other: Map) -> float:
    """Spearman's coefficient; 0 if a map is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def _with_intervals(scores: Mapping[str, Sequence[tuple[float, ...]]], seed: int) -> dict[str, MapScore]:
    columns = {name: np.array(rows).T for name, rows in scores.items()}
    count = columns[CENTRE].shape[1]
    weights = lesion_weights(np.arange(count).astype(str), resamples=1000, seed=seed)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((weights @ values) / weights.sum(axis=1))

    centre = columns[CENTRE][0] - columns[CENTRE][1]
    return {
        name: MapScore(
            insertion=interval(mean(insertion)),
            deletion=interval(mean(deletion)),
            advantage=interval(mean(insertion - deletion - centre)),
            average_drop=interval(mean(drop)),
            peak_inside=interval(mean(peak)),
            inside=interval(mean(inside)),
        )
        for name, (insertion, deletion, drop, peak, inside) in columns.items()
    }


def _check(rows: NDArray[np.float64], seed: int) -> MapCheck:
    def mean(column: NDArray[np.float64]) -> Interval:
        weights = lesion_weights(np.arange(len(column)).astype(str), resamples=1000, seed=seed)
        return interval((weights @ column) / weights.sum(axis=1))

    views, of_head, of_network = rows.T
    drawn = of_network[~np.isnan(of_network)]
    return MapCheck(
        views=mean(views),
        shuffled_head=mean(of_head),
        shuffled_network=mean(drawn) if len(drawn) else None,
        empty=len(rows) - len(drawn),
    )
