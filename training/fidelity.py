"""What an int8 graph is worth beside the fp32 graph on the same images, and whether that is enough to ship it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from inference.bundle import Head
from inference.explainers import EXPLAINERS
from inference.image import Preprocessing
from inference.manifest import Comparison, GraphNumbers, HeatMaps
from inference.probability import softmax
from inference.runtimes import Runtime
from training import dataset
from training.ensemble import held_out
from training.metrics import Labels, all_numbers
from training.model import Responses

# What int8 may cost at most. A calibration error may rise by as much as a balanced accuracy may fall.
LARGEST_LOSS = {"balanced_accuracy": 0.005, "melanoma_recall": 0.01, "calibration_error": 0.005}
LARGEST_MISS = 0.25  # of a golden probability
_SMALLER_IS_BETTER = {"calibration_error"}
CHUNK = 64  # images prepared at once


class BelowGate(RuntimeError):
    """The int8 graph loses too much; the message says what."""


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationSet:
    """Images that a graph is measured on, and how: `source` is their name in the card.

    After a cross-validation `of_image` [n] is the one of `members` networks that has not seen each image, and that
    answers it; otherwise the graph answers itself. `head` and `temperature` are the bundle's.
    """

    records: dataset.Records
    source: str
    spec: Preprocessing
    head: Head
    temperature: float
    of_image: NDArray[np.int64] | None = None
    members: int = 1

    @property
    def labels(self) -> Labels:
        """Class indices [n]."""
        return dataset.labels_of(self.records)

    def numbers(self, responses: Responses) -> GraphNumbers:
        """What these responses to the images are worth."""
        if self.of_image is not None:
            responses = held_out(responses, head=self.head, of_image=self.of_image, count=self.members)
        weights = np.ones((1, len(self.records)))
        found = all_numbers(self.labels, softmax(responses.logits, self.temperature), weights)
        names = ("balanced_accuracy", "macro_auc", "calibration_error")
        overall = {name: float(found[name, ""][0]) for name in names}
        return GraphNumbers(melanoma_recall=float(found["recall", "mel"][0]), **overall)


@dataclass(slots=True)
class _Answers:
    logits: list[NDArray[np.float32]]
    pooled: list[NDArray[np.float32]]
    maps: list[NDArray[np.float32]]

    def responses(self) -> Responses:
        return Responses(logits=np.concatenate(self.logits), pooled=np.concatenate(self.pooled))


def compare_runtimes(fp32: Runtime, int8: Runtime, evaluation: EvaluationSet) -> Comparison:
    """Both runtimes answer every image; feature maps are not kept. Raises InvalidDataset."""
    answers = {runtime: _Answers([], [], []) for runtime in (fp32.graph, int8.graph)}
    explain = EXPLAINERS["gradcam++"]
    for first in range(0, len(evaluation.records), CHUNK):
        for image in dataset.prepare_images(evaluation.records[first : first + CHUNK], evaluation.spec):
            of_both = [runtime.run(image[np.newaxis]) for runtime in (fp32, int8)]
            predicted = int(of_both[0].logits.argmax())
            for kept, outputs in zip(answers.values(), of_both, strict=True):
                kept.logits.append(outputs.logits)
                kept.pooled.append(outputs.features.mean(axis=(1, 2)))
                kept.maps.append(explain(outputs.features, evaluation.head)[0, :, :, predicted])
    one, other = answers.values()
    same = one.responses().logits.argmax(axis=1) == other.responses().logits.argmax(axis=1)
    return Comparison(
        source=evaluation.source,
        images=len(evaluation.records),
        graphs={graph: evaluation.numbers(each.responses()) for graph, each in answers.items()},
        same_class=float(same.mean()),
        heat_maps=compare_maps(one.maps, other.maps),
    )


def compare_maps(expected: Sequence[NDArray[np.float32]], found: Sequence[NDArray[np.float32]]) -> HeatMaps:
    """Class maps [h, w] of the same images from two graphs. A map that is flat only in the second has correlation 0."""
    pairs = [(a.ravel(), b.ravel()) for a, b in zip(expected, found, strict=True) if np.ptp(a) > 0]
    if not pairs:
        return HeatMaps(images=0, rank_correlation=0, rank_correlation_of_95_percent=0, peak_moved=0)
    correlations = [float(spearmanr(a, b).statistic) if np.ptp(b) > 0 else 0.0 for a, b in pairs]
    return HeatMaps(
        images=len(pairs),
        rank_correlation=float(np.mean(correlations)),
        rank_correlation_of_95_percent=float(np.quantile(correlations, 0.05)),
        peak_moved=float(np.mean([np.ptp(b) == 0 or a.argmax() != b.argmax() for a, b in pairs])),
    )


def losses(fp32: GraphNumbers, int8: GraphNumbers) -> dict[str, float]:
    """How much worse int8 is in what the gate looks at; negative where it is better."""
    return {
        name: (getattr(int8, name) - getattr(fp32, name)) * (1 if name in _SMALLER_IS_BETTER else -1)
        for name in LARGEST_LOSS
    }


def find_faults(comparison: Comparison, *, missed: float) -> tuple[str, ...]:
    """Why the int8 graph does not pass the gate: one clause for each limit that it breaks.

    `missed` is by how much of probability it misses the golden cases; a graph far from them could not be verified.
    """
    fp32, int8 = comparison.graphs["openvino-fp32"], comparison.graphs["openvino-int8"]
    faults = [
        f"{name.replace('_', ' ')} goes from {getattr(fp32, name):.4f} to {getattr(int8, name):.4f}"
        f" (it may get worse by {LARGEST_LOSS[name]:g})"
        for name, loss in losses(fp32, int8).items()
        if not loss <= LARGEST_LOSS[name] + 1e-9  # written so that a NaN is refused too; a limit may be met exactly
    ]
    if not missed <= LARGEST_MISS:
        faults.append(f"the golden cases are missed by {missed:.2g} of probability (allowed: {LARGEST_MISS:g})")
    return tuple(faults)
