"""python -m benchmarks.input_quality: which score tells photos from dermoscopy, and what do the quality warnings cost?

On the first of the starter's networks, its own data (LUNAR_DATA) and the photos of training.data.ood_photos: the
other folds are the training split, one half of its own fold is the validation split, the other the test set. Every
score learns from the training split, gets the threshold that keeps 95 % of the validation split, and prints one JSON
line: AUROC of validation images against whole photos and against windows of them, how many of those are flagged, the
share of test images flagged, of vascular lesions (the class that some scores flag most), of full frames as a camera
writes them, of other clinics' images at 84 pixels and of drawn lesions. Then one line for each limit of
inference.imaging.image_quality, and one for the time that all of it adds to a request.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.bundle.out_of_distribution import scores
from inference.bundle.storage import Bundle, Head, open_bundle
from inference.domain.probability import softmax
from inference.domain.taxonomy import CLASSES
from inference.imaging.image_quality import LEAST_BRIGHTNESS, LEAST_SHARPNESS, find_quality_warnings
from inference.imaging.preprocessing import Preprocessing, fit, prepare
from inference.runtimes import Outputs, open_runtime
from tests.support.paths import STARTER
from training.bundling.refit import predict_with
from training.commands import DataSettings
from training.data import prepared_images
from training.data.data_split import Folds
from training.data.ham10000 import ImageRecord
from training.data.ood_photos import photo_files, windows
from training.data.origin import read_origin
from training.data.synthetic_lesions import draw_lesion
from training.evaluation.evaluate import respond
from training.evaluation.metrics import roc_auc
from training.evaluation.out_of_distribution import choose_threshold, find_components
from training.networks.network import Responses

Array = NDArray[np.float64]
Score = Callable[[Array], Array]
DIMENSIONS = (16, 32, 64, 128)


@dataclass(frozen=True)
class Features:
    """Pooled features float64 [n, C] of each kind of image; labels of three; `whole` of the windows [n]."""

    train: Array
    validation: Array
    test: Array
    frames: Array
    elsewhere: Array
    drawn: Array
    photos: Array
    whole: NDArray[np.bool_]
    labels: dict[str, NDArray[np.int64]]


def main() -> None:
    """Measure and print."""
    bundle, data = open_bundle(STARTER), DataSettings().data
    config, split = read_origin(bundle, data)
    if not isinstance(split, Folds):
        raise SystemExit(f"{STARTER} was not made by a cross-validation.")
    width = bundle.manifest.head_shape[0] // split.count
    joined, spec = predict_with(bundle), config.model.preprocessing

    def predict(images: NDArray[np.uint8]) -> Responses:
        """The first fold's network: it was trained on the other folds and not on its own."""
        found = joined(images)
        return replace(found, pooled=found.pooled[:, :width])

    held_out, *seen = split.splits().values()
    parts = {"train": [record for part in seen for record in part], "validation": held_out[::2], "test": held_out[1::2]}
    features = extract(predict, parts, spec, data)
    for name, score in candidates(features, Head(w=split.count * bundle.head.w[:width], b=bundle.head.b)):
        _print("score", name, **judge(score, features))
    squares = {name: prepared_images.prepare_images(part, spec) for name, part in parts.items() if name != "train"}
    for name, spoil in SPOILT.items():
        shares = warned_shares({part: [spoil(each) for each in images] for part, images in squares.items()})
        _print("limits", name, limits={"blurred": LEAST_SHARPNESS, "dark": LEAST_BRIGHTNESS}, **shares)
    _print("cost", "quality and out-of-distribution score of one image", **cost(bundle, squares["test"]))


def extract(
    predict: Callable[[NDArray[np.uint8]], Responses],
    parts: Mapping[str, Sequence[ImageRecord]],
    spec: Preprocessing,
    data: Path,
) -> Features:
    """The network's features of every kind of image."""
    frames = sorted((data / "ham10000/originals_600x450").glob("*.jpg"))
    elsewhere = sorted((data / "isic2019_84").rglob("*.jpg"))[::75]
    drawings = [draw_lesion(width=600, height=450, seed=seed) for seed in range(20)]
    shown = [window for path in photo_files() for window in windows(path)]
    pooled = {name: respond(predict, part, spec).pooled for name, part in parts.items()}
    pooled["frames"] = predict(np.stack([prepare(path.read_bytes(), spec) for path in frames])).pooled
    pooled["elsewhere"] = predict(np.stack([prepare(path.read_bytes(), spec) for path in elsewhere])).pooled
    pooled["drawn"] = predict(np.stack([fit(each, spec) for each in drawings])).pooled
    pooled["photos"] = predict(np.stack([fit(window.rgb, spec) for window in shown])).pooled
    return Features(
        **{name: each.astype(np.float64) for name, each in pooled.items()},
        whole=np.array([window.whole for window in shown]),
        labels={name: prepared_images.labels_of(part) for name, part in parts.items()},
    )


def warned_shares(squares: dict[str, list[NDArray[np.uint8]]]) -> dict[str, object]:
    """Of each split's images the share with each quality warning."""
    found = {part: [find_quality_warnings(image) for image in images] for part, images in squares.items()}
    return {
        f"{part}_{warning}": round(float(np.mean([warning in each for each in warnings])), 4)
        for part, warnings in found.items()
        for warning in ("blurred", "dark")
    }


def _blur(sigma: float) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    return lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def _darken(divisor: int) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    return lambda image: np.asarray(image // divisor, np.uint8)


SPOILT: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "as they are": lambda image: image,
    **{f"Gaussian blur, sigma {sigma}": _blur(sigma) for sigma in (0.5, 1, 2, 4)},
    **{f"1/{divisor} as bright": _darken(divisor) for divisor in (2, 3, 4)},
    "black": np.zeros_like,
}


def candidates(given: Features, head: Head) -> Iterator[tuple[str, Score]]:
    """Scores that grow with the distance from the training split."""
    x = given.train
    yield "1 - largest probability", lambda f: 1 - softmax(f @ head.w + head.b).max(axis=1)
    yield "energy (Liu et al. 2020)", lambda f: -np.log(np.exp(f @ head.w + head.b).sum(axis=1))
    mean = x.mean(axis=0)
    _, values, rows = np.linalg.svd(x - mean, full_matrices=False)
    plain = np.linalg.svd(x, full_matrices=False)[2]
    for d in DIMENSIONS:
        noise = float((values**2)[d:].sum() / len(x) / (x.shape[1] - d))
        yield from _subspace_candidates(given, mean, rows[:d], plain[:d], noise)


def _subspace_candidates(
    given: Features, mean: Array, main: Array, plain: Array, noise: float
) -> Iterator[tuple[str, Score]]:
    """Those that use the first d directions: `main` of the centred features, `plain` of the features as they are."""
    x, labels, d = given.train, given.labels["train"], len(main)

    def project(f: Array) -> Array:
        return (f - mean) @ main.T

    def residual(f: Array) -> Array:
        return np.asarray(((f - mean) ** 2).sum(axis=1) - (project(f) ** 2).sum(axis=1))

    mahalanobis = _mahalanobis(project(x), labels)
    balanced = find_components(x.astype(np.float32), labels, count=d)
    yield f"class-conditional Mahalanobis (Lee et al. 2018), d {d}", lambda f: mahalanobis(project(f))
    for k in (1, 10):
        yield f"distance to the nearest {k}, d {d}", _nearest(project(x), project, k)
    yield f"PCA residual, d {d}", residual
    yield f"Mahalanobis and residual, d {d}", lambda f: mahalanobis(project(f)) + residual(f) / noise
    yield f"sine, centred, d {d}", lambda f: scores(f - mean, main)
    yield f"sine, d {d}", lambda f: scores(f, plain)
    yield f"sine, classes balanced, d {d}", lambda f: scores(f, balanced)


def _mahalanobis(z: Array, labels: NDArray[np.int64]) -> Score:
    means = np.stack([z[labels == number].mean(axis=0) for number in range(len(CLASSES))])
    precision = np.linalg.inv(np.cov((z - means[labels]).T, bias=True))
    return lambda f: np.min([np.einsum("nd,de,ne->n", f - m, precision, f - m) for m in means], axis=0)


def _nearest(bank: Array, project: Score, k: int) -> Score:
    def score(f: Array) -> Array:
        z = project(f)
        squares = (z**2).sum(axis=1)[:, np.newaxis] + (bank**2).sum(axis=1) - 2 * z @ bank.T
        return np.asarray(np.partition(squares, k - 1, axis=1)[:, k - 1])

    return score


def judge(score: Score, given: Features) -> dict[str, object]:
    """The numbers of one score."""
    validation, test, photos = score(given.validation), score(given.test), score(given.photos)
    threshold = choose_threshold(validation)
    vascular = np.append(validation, test)[np.append(given.labels["validation"], given.labels["test"]) == 6]

    def area(beyond: Array) -> float:
        return round(
            roc_auc(np.arange(len(validation) + len(beyond)) >= len(validation), np.append(validation, beyond)), 4
        )

    return {
        "auroc_photos": area(photos[given.whole]),
        "auroc_windows": area(photos),
        "photos_flagged": f"{(photos[given.whole] > threshold).sum()} of {given.whole.sum()}",
        "windows_flagged": f"{(photos > threshold).sum()} of {len(photos)}",
        "test_flagged": round(float((test > threshold).mean()), 3),
        "vascular_flagged": f"{(vascular > threshold).sum()} of {len(vascular)}",
        **{
            f"{name}_flagged": f"{(score(each) > threshold).sum()} of {len(each)}"
            for name, each in (("frames", given.frames), ("elsewhere", given.elsewhere), ("drawn", given.drawn))
        },
    }


def cost(bundle: Bundle, squares: NDArray[np.uint8]) -> dict[str, object]:
    """Median and spread in milliseconds over images that differ."""
    runtime, ood_detector = open_runtime(bundle), bundle.ood_detector
    assert ood_detector is not None
    prepared: list[tuple[NDArray[np.uint8], Outputs]] = [(one, runtime.run(one[np.newaxis])) for one in squares[:100]]
    times = []
    for square, outputs in prepared:
        began = time.perf_counter()
        find_quality_warnings(square)
        ood_detector.is_beyond(outputs.features)
        times.append(1000 * (time.perf_counter() - began))
    low, high = np.percentile(times, [5, 95])
    return {
        "milliseconds": {
            "median": round(statistics.median(times), 3),
            "5_to_95_percent": [round(low, 3), round(high, 3)],
        }
    }


def _print(kind: str, what: str, **numbers: object) -> None:
    print(json.dumps({"benchmark": "input_quality", kind: what, **numbers, "cores": os.cpu_count()}), flush=True)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
