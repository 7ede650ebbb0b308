"""python -m benchmarks.input_quality: which score tells photos from dermoscopy, and what do the quality warnings cost?

On the first of the starter's networks, its own data (LUNAR_DATA) and the photos of training.photos: the other folds are
the training part, one half of its own fold is the validation part, the other the test part. Every score learns from the
training part, gets the threshold that keeps 95 % of the validation part, and prints one JSON line: AUROC of validation
images against whole photos and against windows of them, how many of those are flagged, the share of test images
flagged, of vascular lesions (the class that some scores flag most), of full frames as a camera writes them, of other
clinics' images at 84 pixels and of drawn lesions. Then one line for each limit of inference.quality, and one for the
time that all of it adds to a request.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.bundle import Bundle, Head, open_bundle
from inference.image import fit, prepare
from inference.novelty import scores
from inference.probability import softmax
from inference.quality import LEAST_BRIGHTNESS, LEAST_SHARPNESS, find_flaws
from inference.runtimes import Outputs, open_runtime
from inference.taxonomy import CLASSES
from tests.running import STARTER
from training import dataset
from training.__main__ import DataSettings
from training.drawn import draw_lesion
from training.evaluation import respond
from training.folds import Folds
from training.metrics import roc_auc
from training.model import Responses
from training.novelty import choose_threshold, find_components
from training.photos import photo_files, windows
from training.refit import predict_with, read_origin

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
        """As the first fold's network: its fold has not been seen by it, the others have."""
        found = joined(images)
        return replace(found, pooled=found.pooled[:, :width])

    held_out, *seen = split.parts().values()
    parts = {"train": [record for part in seen for record in part], "validation": held_out[::2], "test": held_out[1::2]}
    frames = sorted((data / "ham10000/originals_600x450").glob("*.jpg"))
    elsewhere = sorted((data / "isic2019_84").rglob("*.jpg"))[::75]
    drawings = [draw_lesion(width=600, height=450, seed=seed) for seed in range(20)]
    shown = [window for path in photo_files() for window in windows(path)]
    pooled = {name: respond(predict, part, spec).pooled for name, part in parts.items()}
    pooled["frames"] = predict(np.stack([prepare(path.read_bytes(), spec) for path in frames])).pooled
    pooled["elsewhere"] = predict(np.stack([prepare(path.read_bytes(), spec) for path in elsewhere])).pooled
    pooled["drawn"] = predict(np.stack([fit(each, spec) for each in drawings])).pooled
    pooled["photos"] = predict(np.stack([fit(window.rgb, spec) for window in shown])).pooled
    features = Features(
        **{name: each.astype(np.float64) for name, each in pooled.items()},
        whole=np.array([window.whole for window in shown]),
        labels={name: dataset.labels_of(part) for name, part in parts.items()},
    )
    for name, score in candidates(features, Head(w=split.count * bundle.head.w[:width], b=bundle.head.b)):
        _print("score", name, **judge(score, features))
    squares = {name: dataset.prepare_images(part, spec) for name, part in parts.items() if name != "train"}
    for name, spoil in SPOILT.items():
        found = {part: [find_flaws(spoil(each)) for each in images] for part, images in squares.items()}
        shares = {
            f"{part}_{flaw}": round(float(np.mean([flaw in each for each in flaws])), 4)
            for part, flaws in found.items()
            for flaw in ("blurred", "dark")
        }
        _print("limits", name, limits={"blurred": LEAST_SHARPNESS, "dark": LEAST_BRIGHTNESS}, **shares)
    _print("cost", "quality and novelty of one image", **cost(bundle, squares["test"]))


SPOILT: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "as they are": lambda image: image,
    **{
        f"Gaussian blur, sigma {sigma}": lambda image, sigma=sigma: np.asarray(
            cv2.GaussianBlur(image, (0, 0), sigma), np.uint8
        )
        for sigma in (0.5, 1, 2, 4)
    },
    **{f"1/{part} as bright": lambda image, part=part: image // part for part in (2, 3, 4)},
    "black": np.zeros_like,
}


def candidates(given: Features, head: Head) -> Iterator[tuple[str, Score]]:
    """Scores that grow with the distance from the training part."""
    x, labels = given.train, given.labels["train"]
    yield "1 - largest probability", lambda f: 1 - softmax(f @ head.w + head.b).max(axis=1)
    yield "energy (Liu et al. 2020)", lambda f: -np.log(np.exp(f @ head.w + head.b).sum(axis=1))
    mean = x.mean(axis=0)
    _, values, rows = np.linalg.svd(x - mean, full_matrices=False)
    variances, plain = values**2 / len(x), np.linalg.svd(x, full_matrices=False)[2]
    for d in DIMENSIONS:
        main = rows[:d]
        mahalanobis = _mahalanobis((x - mean) @ main.T, labels)
        noise = variances[d:].sum() / (x.shape[1] - d)

        def near(f: Array, main: Array = main, of: Score = mahalanobis) -> Array:
            return of((f - mean) @ main.T)

        def off(f: Array, main: Array = main) -> Array:
            return np.asarray(((f - mean) ** 2).sum(axis=1) - (((f - mean) @ main.T) ** 2).sum(axis=1))

        yield f"class-conditional Mahalanobis (Lee et al. 2018), d {d}", near
        for k in (1, 10):
            yield (
                f"distance to the nearest {k}, d {d}",
                _nearest((x - mean) @ main.T, lambda f, m=main: (f - mean) @ m.T, k),
            )
        yield f"PCA residual, d {d}", off
        yield f"Mahalanobis and residual, d {d}", lambda f, a=near, b=off, s=noise: a(f) + b(f) / s
        yield f"sine, centred, d {d}", lambda f, main=main: scores(f - mean, main)
        yield f"sine, d {d}", lambda f, main=plain[:d]: scores(f, main)
        balanced = find_components(x.astype(np.float32), labels, count=d)
        yield f"sine, classes balanced, d {d}", lambda f, main=balanced: scores(f, main)


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
    runtime, novelty = open_runtime(bundle), bundle.novelty
    assert novelty is not None
    prepared: list[tuple[NDArray[np.uint8], Outputs]] = [(one, runtime.run(one[np.newaxis])) for one in squares[:100]]
    times = []
    for square, outputs in prepared:
        began = time.perf_counter()
        find_flaws(square)
        novelty.is_beyond(outputs.features)
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
    main()
