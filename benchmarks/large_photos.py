"""python -m benchmarks.large_photos: what does reduced decoding of large JPEGs save, and does it change answers?

Real lesions (LUNAR_DATA) enlarged to 12 megapixels, with the noise of a camera, and images of noise alone. Each is
prepared twice, reduced in the domain of the DCT as the service does, and whole; the starter answers both. Prints one
JSON line: the differences of probabilities and how many classes differ, for /predict and for /explain, beside what
rounding the same square at random to 8 bits changes; and the milliseconds before the model, in turns in one run, also
with the hand-over from a decoder process.
"""

import argparse
import asyncio
import io
import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.bundle.storage import open_bundle
from inference.explainers.heatmap import MAX_SIDE
from inference.imaging.decoding import MAX_PIXELS, decode
from inference.imaging.image_quality import find_quality_warnings
from inference.imaging.prepared_picture import Preparation
from inference.imaging.preprocessing import field_of_view, fit
from inference.prediction.classifier import Classifier, Prepared, make_views
from service.observability.metrics import Metrics
from service.serving.decoders import DecoderPool
from service.settings import Settings
from tests.support.paths import STARTER
from training.commands import DataSettings

IMAGES, NOISE, ROUNDS = 60, 6, 15
WIDTH, HEIGHT = 4000, 3000
NEEDS = {"predict": 0, "explain": MAX_SIDE}


def main() -> None:
    """Measure and print."""
    classifier = Classifier.open(open_bundle(STARTER))
    frames = sorted((DataSettings().data / "ham10000/originals_600x450").glob("*.jpg"))[:IMAGES]
    photos = [_enlarged(path) for path in frames]
    noise = [_jpeg(np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)) for seed in range(NOISE)]
    line = {
        "benchmark": "large_photos",
        "images": {"photos": len(photos), "noise": len(noise)},
        "parity": {kind: _parity(classifier, files) for kind, files in (("photos", photos), ("noise", noise))},
        "milliseconds_before_the_model": asyncio.run(_times(classifier, photos[0], frames[0].read_bytes())),
        "cores": os.cpu_count(),
    }
    print(json.dumps(line))


def _enlarged(path: Path) -> bytes:
    """A lesion as a camera of 12 megapixels would write it: enlarged, with noise of four grey levels."""
    small = np.asarray(Image.open(path).convert("RGB"))
    large = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    large += np.random.default_rng(0).normal(0, 4, (HEIGHT, WIDTH, 1)).astype(np.int16)
    return _jpeg(large.clip(0, 255).astype(np.uint8))


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _parity(classifier: Classifier, files: list[bytes]) -> dict[str, dict[str, float]]:
    """Differences from the answer for every pixel; of `rounding`: the whole picture, rounded at random to 8 bits."""
    found: dict[str, list[tuple[float, bool, bool]]] = {}
    for data in files:
        whole = _whole(classifier, data)
        others = {need: classifier.prepare(data, side=side) for need, side in NEEDS.items()}
        others["rounding"] = replace(whole, batch=_rounded_at_random(classifier, data)[np.newaxis])
        right = classifier.predict(whole, classifier.run(whole.batch))
        for name, other in others.items():
            answer = classifier.predict(other, classifier.run(other.batch))
            distance = float(np.abs(answer.probabilities - right.probabilities).max())
            worse = other.picture.quality_warnings != whole.picture.quality_warnings
            found.setdefault(name, []).append((distance, answer.code != right.code, worse))
    return {name: _summary(each) for name, each in found.items()}


def _summary(found: list[tuple[float, bool, bool]]) -> dict[str, float]:
    distances, classes, warnings = zip(*found, strict=True)
    return {
        "largest_difference": round(max(distances), 4),
        "median_difference": round(statistics.median(distances), 4),
        "within_0.005": sum(each <= 0.005 for each in distances),
        "other_classes": sum(classes),
        "other_quality_warnings": sum(warnings),
    }


def _rounded_at_random(classifier: Classifier, data: bytes) -> NDArray[np.uint8]:
    """The square in float, each level rounded up or down with the probability of its fraction."""
    rgb, spec = decode(data).rgb.astype(np.float32), classifier.bundle.manifest.preprocessing
    box = field_of_view(width=rgb.shape[1], height=rgb.shape[0], spec=spec)
    cut = rgb[box.y : box.y + box.height, box.x : box.x + box.width]
    exact = cv2.resize(cut, (spec.size, spec.size), interpolation=cv2.INTER_AREA)
    rounded = np.floor(exact + np.random.default_rng(0).random(exact.shape)).clip(0, 255)
    return np.asarray(rounded, np.uint8)


def _whole(classifier: Classifier, data: bytes) -> Prepared:
    """Prepared from every pixel of the file, as a decoder without reductions would."""
    picture = decode(data)
    square = fit(picture.rgb, classifier.bundle.manifest.preprocessing)
    prepared = classifier.prepare(data)
    return make_views(replace(prepared.picture, square=square, quality_warnings=find_quality_warnings(square)), 1)


async def _times(classifier: Classifier, photo: bytes, small: bytes) -> dict[str, dict[str, float]]:
    """Medians: in a decoder process as the service does, in this process, and in this process from every pixel."""
    pool = DecoderPool(Settings(), Metrics().decoders)
    await pool.start()
    times: dict[str, dict[str, list[float]]] = {}

    def note(case: str, way: str, began: float) -> None:
        times.setdefault(case, {}).setdefault(way, []).append(1000 * (time.perf_counter() - began))

    for _ in range(ROUNDS):
        for name, data in (("12 megapixels", photo), ("600 x 450", small)):
            for need, side in NEEDS.items():
                case = f"{need}, {name}"
                began = time.perf_counter()
                preparation = Preparation(classifier.bundle.manifest.preprocessing, side, MAX_PIXELS)
                make_views(await pool.prepare(data, preparation), 1)
                note(case, "decoder process", began)
                began = time.perf_counter()
                classifier.prepare(data, side=side)
                note(case, "this process", began)
                began = time.perf_counter()
                picture = decode(data).rgb
                find_quality_warnings(fit(picture, preparation.spec))
                if side:
                    cv2.resize(picture, (1024, 768), interpolation=cv2.INTER_AREA)
                note(case, "this process, every pixel", began)
    await pool.close()
    return {
        case: {way: round(statistics.median(each), 1) for way, each in ways.items()} for case, ways in times.items()
    }


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
