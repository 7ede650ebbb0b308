"""python -m benchmarks.left_out: what does a network lose on a source, or a class, of which training had nothing?

Needs LUNAR_DATA. Networks of the starter's backbone, loss and augmentation, trained from ImageNet weights for a few
epochs at 96 pixels, a small setting: one for each of three folds by lesion, one without each of HAM10000's sources, and
one without df and one without vasc. Each is trained on at most as many images as a fold's. Prints one JSON line:

sources: the images of a source, answered by the folds' networks, which know the source but not the lesion, and by the
one that does not know the source; malignant AUC, and mean recall of the classes with 20 images and more, with 95 %
intervals by bootstrap over lesions, and what is lost, in the same resamples.
classes: the images of a class, answered by the network that has never seen it: the answers, the share that its detector
flags (`out_of_distribution`), and the area under the ROC curve of its score, against held-out images of the others.
"""

import argparse
import time
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.intervals import rounded
from benchmarks.harness.measuring import emit
from benchmarks.harness.small_training import FEWEST, FOLDS, Experiment, Rows, read_experiment
from inference.bundle.out_of_distribution import scores
from inference.domain.probability import softmax
from inference.domain.taxonomy import CLASSES
from training.evaluation.metrics import all_numbers, roc_areas
from training.evaluation.out_of_distribution import KEPT, choose_threshold, find_components

EPOCHS = 4
LEFT_OUT = ("df", "vasc")
Found = dict[str, object]


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument(
        "--share", type=float, default=1.0, help="part of the images and epochs; 1 is what is published"
    )
    share, began = parser.parse_args().share, time.perf_counter()
    experiment = read_experiment(share=share, epochs=EPOCHS)
    answered = np.empty((len(experiment.labels), len(CLASSES)))
    for fold in range(FOLDS):
        held_out = experiment.fold == fold
        answered[held_out] = softmax(experiment.without(held_out).logits, 1.0)[held_out]
    sources = {
        str(name): _measure_source(experiment, experiment.sources == name, answered)
        for name in np.unique(experiment.sources)
    }
    classes = {code: _measure_class(experiment, CLASSES.index(code)) for code in LEFT_OUT}
    emit("left_out", began=began, share=share, packages=("tensorflow-cpu", "keras"), sources=sources, classes=classes)


def _measure_source(experiment: Experiment, of_source: Rows, answered: NDArray[np.float64]) -> Found:
    """`answered`: the probabilities of all images by the networks of the folds, [n, 7]."""
    # Nor may a lesion of the source be seen in the images of another one.
    unseen = np.isin(experiment.lesions, experiment.lesions[of_source])
    strange = softmax(experiment.without(unseen).logits, 1.0)
    labels, weights = experiment.labels[of_source], experiment.weights[:, of_source]
    counts = np.bincount(labels, minlength=len(CLASSES))
    measured = [code for code, count in zip(CLASSES, counts, strict=True) if count >= FEWEST]
    found: dict[str, Mapping[str, NDArray[np.float64]]] = {}
    for name, probabilities in (("source known", answered), ("source unknown", strange)):
        numbers = all_numbers(labels, probabilities[of_source], weights)
        recalls = [numbers["recall", code] for code in measured]
        recall = np.mean(recalls, axis=0) if recalls else np.full(len(weights), np.nan)
        found[name] = {"malignant_auc": numbers["malignant_auc", ""], "mean_recall": recall}
    known, unknown = found["source known"], found["source unknown"]
    found["lost"] = {name: draws - unknown[name] for name, draws in known.items()}
    described = {way: {name: rounded(draws) for name, draws in numbers.items()} for way, numbers in found.items()}
    return {"images": int(of_source.sum()), "classes": measured} | described


def _measure_class(experiment: Experiment, left_out: int) -> Found:
    of_class = experiment.labels == left_out
    held_out = (experiment.fold == 0) & ~of_class
    seen = ~held_out & ~of_class
    responses = experiment.without(~seen)
    components = find_components(responses.pooled[seen], np.zeros(int(seen.sum()), np.int64))
    score = scores(responses.pooled, components)
    asked = held_out | of_class
    # The loss, adjusted by frequency, has taught the network nothing of a class without images: that is no answer.
    known = [index for index in range(len(CLASSES)) if index != left_out]
    answers = Counter(CLASSES[known[answer]] for answer in responses.logits[of_class][:, known].argmax(axis=1))
    flagged = score > choose_threshold(score[held_out], KEPT)
    weights = experiment.weights
    return {
        "images": int(of_class.sum()),
        "answers": dict(answers.most_common()),
        "flagged": rounded((weights[:, of_class] @ flagged[of_class]) / weights[:, of_class].sum(axis=1)),
        "auc": rounded(roc_areas(of_class[asked], score[asked], weights[:, asked])),
    }


if __name__ == "__main__":
    main()
