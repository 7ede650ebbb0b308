"""python -m benchmarks.folder: does `lunar predict` classify a folder as fast as the runtime computes?

Drawn lesions as JPEG files of 600 x 450 pixels and the starter. In each round three ways take turns: the runtime alone
on prepared images in the batches of `lunar predict`, `lunar predict` itself without its start, and image after image as
`python -m inference` does. Prints one JSON line: milliseconds an image, and their ratio to those of the runtime alone.
"""

import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.harness.measuring import emit, options, summary
from inference.bundle.storage import open_bundle
from inference.prediction.classifier import Classifier
from lunar.scoring.scorer import WAVES, Scorer
from tests.support.paths import STARTER
from training.data.synthetic_lesions import draw_lesion

IMAGES, ROUNDS = 400, 8
RUNTIME = "runtime alone"


def main() -> None:
    """Measure and print."""
    given, began = options(__doc__.partition(":")[0]).parse_args(), time.perf_counter()
    classifier = Classifier.open(open_bundle(STARTER))
    scorer = Scorer(classifier, tta=1, explanation=None)
    with tempfile.TemporaryDirectory() as folder:
        names = [_draw(Path(folder) / f"{number}.jpg", number) for number in range(max(16, int(given.share * IMAGES)))]
        squares = np.concatenate([classifier.prepare(Path(name).read_bytes(), side=0).batch for name in names])
        step = max(1, WAVES * classifier.runtime.batch)

        def compute() -> None:
            for first in range(0, len(squares), step):
                classifier.run(squares[first : first + step])

        def one_by_one() -> None:
            for name in names:
                prepared = classifier.prepare(Path(name).read_bytes(), side=0)
                classifier.analyse(prepared, classifier.run(prepared.batch))

        ways = {RUNTIME: compute, "lunar predict": lambda: list(scorer.score(names)), "one by one": one_by_one}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(max(2, round(given.share * ROUNDS))):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                times[name].append(1000 * (time.perf_counter() - start) / len(names))
    rows = {
        name: {
            "ms_an_image": summary(own),
            "of_runtime": summary([one / bare for one, bare in zip(own, times[RUNTIME], strict=True)]),
        }
        for name, own in times.items()
    }
    emit("folder", began=began, share=given.share, images=len(names), ways=rows)


def _draw(path: Path, number: int) -> str:
    cv2.imwrite(str(path), draw_lesion(width=600, height=450, seed=number)[..., ::-1])
    return str(path)


if __name__ == "__main__":
    main()
