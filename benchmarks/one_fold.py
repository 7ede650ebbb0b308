"""python -m benchmarks.one_fold CONFIG NUMBER [--set KEY=VALUE]: is another recipe better than the starter's on a fold?

Needs LUNAR_DATA, and the network that `python -m training fold CONFIG NUMBER` has left in LUNAR_HOME. It and the
starter's network of the same fold answer the images of lesions that neither has seen: the centre crops at 224 pixels
and all images at 256. Offsets that balance the classes are fitted to one half of the lesions and applied to the other,
for both networks alike. Prints one JSON line: metrics with 95 % intervals by bootstrap over lesions, and the
differences in the same resamples.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.image_folds import ALL_IMAGES, CENTRE_CROPS, folds_of
from benchmarks.harness.intervals import rounded
from benchmarks.harness.measuring import emit
from inference.bundle.storage import open_bundle
from inference.domain.probability import softmax
from inference.settings import RegistrySettings
from tests.support.paths import STARTER
from training.bundling.refit import predict_with
from training.commands import DataSettings
from training.config import Config
from training.config_file import load
from training.data.origin import read_origin
from training.data.prepared_images import labels_of, prepare_images
from training.data.splits import read_folds
from training.evaluation.bootstrap import Draws, lesion_weights
from training.evaluation.calibration import fit_offsets
from training.evaluation.metrics import all_numbers
from training.fitting.checkpoints import Checkpoints
from training.fitting.stage_plan import planned_stages
from training.networks import network as networks
from training.networks.ensemble import held_out
from training.run_folder import folder_of

METRICS = {
    "balanced_accuracy": ("balanced_accuracy", ""),
    "macro_auc": ("macro_auc", ""),
    "accuracy": ("accuracy", ""),
    "melanoma_recall": ("recall", "mel"),
    "melanoma_precision": ("precision", "mel"),
}
Logits = NDArray[np.float64]


def main() -> None:
    """Answer, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("config", type=Path, help="the configuration of the other recipe")
    parser.add_argument("number", type=int, help="the number of the fold, counted from 1")
    parser.add_argument("--share", type=float, default=1.0, help="part of the images; 1 is what is published")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="as of `python -m training fold`"
    )
    options, began = parser.parse_args(), time.perf_counter()
    config = load(options.config, changes=options.set)
    found = {
        folder: _measure(config, folder, fold=options.number - 1, step=max(1, round(1 / options.share)))
        for folder in (CENTRE_CROPS, ALL_IMAGES)
    }
    emit(
        "one_fold",
        began=began,
        share=options.share,
        packages=("openvino", "tensorflow-cpu"),
        config=config.name,
        fold=options.number,
        sets=found,
    )


def _measure(config: Config, folder: str, *, fold: int, step: int) -> dict[str, object]:
    """The metrics of both networks on the held-out images in `folder`, every `step`-th of them."""
    data = DataSettings().data
    folds, measured = read_folds(config, data), folds_of(config, folder, data)
    starter = open_bundle(STARTER)
    if read_origin(starter, data)[1].digest() != folds.digest():
        raise SystemExit(
            "These are not the starter's folds: its networks would answer images that they were trained on. "
            "seed, data.folds and data.per_class have to be those of training/configs/starter.toml."
        )
    records = [measured.records[row] for row in np.flatnonzero(measured.of_image == fold)[::step]]
    images, labels = prepare_images(records, config.model.preprocessing), labels_of(records)

    network = networks.build(config.model)
    checkpoints = Checkpoints(folder_of(config, folds, RegistrySettings().home) / f"fold-{fold + 1}")
    last = list(planned_stages(config))[-1]
    if not checkpoints.best_path(last).is_file():
        raise SystemExit(
            f"{checkpoints.folder} has no trained network: `python -m training fold` with the same arguments makes it."
        )
    trained = checkpoints.best(last)[: len(network.model.weights)]  # behind them lie those that read the patients
    network.model.set_weights(trained)
    of_starter = held_out(
        predict_with(starter)(images), head=starter.head, of_image=np.full(len(images), fold), count=folds.count
    )
    logits = {"starter": of_starter.logits, "other": networks.infer(network, images)}

    lesions = np.array([record.lesion_id for record in records])
    weights = lesion_weights(lesions, resamples=1000, seed=config.seed)
    numbers = {
        name: all_numbers(labels, _balanced(each.astype(np.float64), labels, lesions, config=config), weights)
        for name, each in logits.items()
    }
    draws: dict[str, dict[str, Draws]] = {
        name: {label: each[key] for label, key in METRICS.items()} for name, each in numbers.items()
    }
    draws["difference"] = {label: draws["other"][label] - draws["starter"][label] for label in METRICS}
    return {"images": len(records)} | {
        name: {label: rounded(draw) for label, draw in each.items()} for name, each in draws.items()
    }


def _balanced(logits: Logits, labels: NDArray[np.int64], lesions: NDArray[np.str_], *, config: Config) -> Logits:
    """Probabilities with the offsets that the other half of the lesions gives."""
    half = np.unique(lesions, return_inverse=True)[1] % 2 == 0
    shifted = logits.copy()
    for rows in (half, ~half):
        shifted[rows] += fit_offsets(labels[~rows], logits[~rows], melanoma=config.melanoma_weight)
    return softmax(shifted, 1.0)


if __name__ == "__main__":
    main()
