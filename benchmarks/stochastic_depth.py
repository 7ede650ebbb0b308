"""python -m benchmarks.stochastic_depth: what does it change that blocks are skipped independently of each other?

Needs LUNAR_DATA. Before, all Dropout layers of a network drew the same numbers, so that an image skipped either all
blocks that can be skipped, or none. Two networks each way, with two seeds, trained on the lesions of two folds of three
and measured on the third. Prints one JSON line: balanced accuracy and macro AUC with 95 % intervals by bootstrap over
lesions, and the differences to one coin for all in the same resamples.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import keras
import numpy as np

from benchmarks.harness.intervals import rounded
from benchmarks.harness.measuring import emit
from benchmarks.harness.small_training import read_experiment
from inference.domain.probability import softmax
from training.evaluation.metrics import all_numbers
from training.fitting import trainer
from training.networks.network import Network

EPOCHS, SEEDS = 2, (42, 43)
WAYS = {"one coin": True, "independent": False}


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--share", type=float, default=1.0, help="part of images and epochs; 1 is what is published")
    share, began = parser.parse_args().share, time.perf_counter()
    experiment = read_experiment(share=share, epochs=EPOCHS)
    held_out = experiment.fold == 0
    labels, weights = experiment.labels[held_out], experiment.weights[:, held_out]
    found: dict[str, object] = {}
    for seed in SEEDS:
        draws = {}
        for way, shared in WAYS.items():
            with one_coin() if shared else nullcontext():
                logits = experiment.without(held_out, seed=seed).logits[held_out]
            draws[way] = all_numbers(labels, softmax(logits, 1.0), weights)
        draws["difference"] = {key: own - draws["one coin"][key] for key, own in draws["independent"].items()}
        found[str(seed)] = {
            way: {name: rounded(numbers[name, ""]) for name in ("balanced_accuracy", "macro_auc")}
            for way, numbers in draws.items()
        }
    emit(
        "stochastic_depth",
        began=began,
        share=share,
        packages=("tensorflow-cpu", "keras"),
        images=int(held_out.sum()),
        seeds=found,
    )


@contextmanager
def one_coin() -> Iterator[None]:
    """As it was: every Dropout layer gets the same state."""
    right = trainer.seed_dropout

    def seed_alike(network: Network, seed: Sequence[int]) -> None:
        state = np.random.SeedSequence(seed).generate_state(2)
        for layer in (*network.model.layers, *network.backbone.layers):
            if isinstance(layer, keras.layers.Dropout) and hasattr(layer, "seed_generator"):
                layer.seed_generator.state.assign(state)

    trainer.seed_dropout = seed_alike
    try:
        yield
    finally:
        trainer.seed_dropout = right


if __name__ == "__main__":
    main()
