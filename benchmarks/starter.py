"""python -m benchmarks.starter [PER_CLASS]: what do more views of an image bring the starter, and what do they cost?

At most PER_CLASS (250) held-out images of each class, drawn by a fixed seed, each answered by the network that has not
seen its lesion, with 1, 2, 4 and 8 views. The mean recall of the classes does not depend on how many images of each
are drawn. One JSON line: balanced accuracy with its 95 % interval, the difference from one view in paired resamples,
and the time of a whole prediction with one view, from the bytes of a 600 x 450 JPEG.
"""

import argparse
import json
import os
import statistics
import time

import numpy as np

from inference.bundle.storage import Bundle, open_bundle
from inference.domain.probability import softmax
from inference.imaging.test_time_augmentation import DIHEDRAL_GROUP, make_views
from inference.prediction.classifier import Classifier
from tests.support.lesion_images import lesion
from tests.support.paths import STARTER
from training.bundling.refit import predict_with
from training.commands import DataSettings
from training.data.data_split import Folds
from training.data.ham10000 import limit_classes
from training.data.origin import read_origin
from training.data.prepared_images import labels_of, prepare_images
from training.evaluation.bootstrap import interval, lesion_weights
from training.evaluation.metrics import all_numbers
from training.networks.ensemble import held_out

COUNTS = (1, 2, 4, 8)
PREDICTIONS = 100


def main(per_class: int) -> None:
    """Measure and print."""
    bundle = open_bundle(STARTER)
    config, folds = read_origin(bundle, DataSettings().data)
    if not isinstance(folds, Folds):
        raise SystemExit(f"{STARTER} was not made by a cross-validation.")
    fold_of = dict(zip((record.image_id for record in folds.records), folds.of_image.tolist(), strict=True))
    records = limit_classes(folds.records, per_class, seed=config.seed)
    images = np.concatenate([make_views(one, 8) for one in prepare_images(records, config.model.preprocessing)])
    of_image = np.repeat([fold_of[record.image_id] for record in records], len(DIHEDRAL_GROUP))
    own = held_out(predict_with(bundle)(images), head=bundle.head, of_image=of_image, count=folds.count)
    by_view = softmax(own.logits, bundle.manifest.temperature).reshape(len(records), len(DIHEDRAL_GROUP), -1)
    weights = lesion_weights(np.array([record.lesion_id for record in records]), resamples=1000, seed=config.seed)
    draws = {
        count: all_numbers(labels_of(records), by_view[:, :count].mean(axis=1), weights)[("balanced_accuracy", "")]
        for count in COUNTS
    }
    found = {
        str(count): {
            "balanced_accuracy": _rounded(interval(draws[count]).model_dump()),
            "more_than_one_view": _rounded(interval(draws[count] - draws[1]).model_dump()),
        }
        for count in COUNTS
    }
    print(json.dumps({"benchmark": "starter", "images": len(records), "views": found, "milliseconds": _time(bundle)}))


def _time(bundle: Bundle) -> dict[str, object]:
    classifier, image = Classifier.open(bundle), lesion(width=600, height=450, quality=92)
    times = []
    for _ in range(PREDICTIONS):
        began = time.perf_counter()
        prepared = classifier.prepare(image)
        classifier.predict(prepared, classifier.run(prepared.batch))
        times.append(1000 * (time.perf_counter() - began))
    low, high = np.percentile(times, [5, 95])
    limits = [round(float(low), 1), round(float(high), 1)]
    return {"median": round(statistics.median(times), 1), "5_to_95_percent": limits, "cores": os.cpu_count()}


def _rounded(numbers: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in numbers.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("per_class", type=int, nargs="?", default=250, metavar="PER_CLASS", help="images; default: 250")
    main(parser.parse_args().per_class)
