"""python -m benchmarks.image_sets: does the starter answer alike on other copies of the same lesions?

Needs LUNAR_DATA. The centre crops of its card, one for each of 5,984 lesions; and all 10,015 images of HAM10000 at 256
pixels, once one image for each of the 7,470 lesions, once all images. Each is answered by the network that has not seen
its lesion; as for the card, offsets and temperature of a fold come from the other folds of the same set. Prints one
JSON line: the metrics with 95 % intervals by bootstrap over lesions.
"""

import argparse
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.image_folds import ALL_IMAGES, CENTRE_CROPS, folds_of
from benchmarks.harness.intervals import printed
from benchmarks.harness.measuring import emit
from inference.bundle.storage import open_bundle
from tests.support.paths import STARTER
from training.bundling.refit import predict_with
from training.commands import DataSettings
from training.data.data_split import Folds
from training.data.origin import read_origin
from training.evaluation.evaluate import evaluate

METRICS = ("balanced_accuracy", "accuracy", "macro_auc", "malignant_auc", "calibration_error")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--share", type=float, default=1.0, help="part of the images; 1 is what is published")
    share, began = parser.parse_args().share, time.perf_counter()
    bundle, data = open_bundle(STARTER), DataSettings().data
    config, _ = read_origin(bundle, data)
    everything = folds_of(config, ALL_IMAGES, data)
    sets = {
        "centre crops at 224, one a lesion": folds_of(config, CENTRE_CROPS, data),
        "all at 256, one a lesion": one_a_lesion(everything),
        "all at 256": everything,
    }
    found: dict[str, object] = {}
    for name, folds in sets.items():
        some = at(folds, np.arange(0, len(folds.records), max(1, round(1 / share))))
        result = evaluate(predict_with(bundle), head=bundle.head, config=config, split=some, command="")
        melanoma = result.metrics.per_class["mel"]
        numbers = {name: result.metrics.overall[name] for name in METRICS}
        numbers |= {"melanoma_recall": melanoma["recall"], "melanoma_precision": melanoma["precision"]}
        found[name] = {"images": len(some.records)} | {key: printed(value) for key, value in numbers.items()}
    emit("image_sets", began=began, share=share, sets=found)


def one_a_lesion(folds: Folds) -> Folds:
    """The first image of every lesion, in the order of the metadata."""
    _, first = np.unique([record.lesion_id for record in folds.records], return_index=True)
    return at(folds, np.sort(first))


def at(folds: Folds, rows: NDArray[np.int64]) -> Folds:
    """Some of the images."""
    return replace(folds, records=tuple(folds.records[row] for row in rows), of_image=folds.of_image[rows])


if __name__ == "__main__":
    main()
