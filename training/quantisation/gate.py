"""Compares another precision with fp32 on the same images, and decides whether it may be served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from inference.bundle.precision_records import GraphComparison, GraphNumbers, HeatMaps
from inference.bundle.storage import Head
from inference.domain.graph_names import OPENVINO_BF16, OPENVINO_FP32, OPENVINO_INT8
from inference.domain.probability import softmax
from inference.explainers import EXPLAINERS
from inference.imaging.preprocessing import Preprocessing
from inference.progress import tracked
from inference.runtimes import Runtime
from training.data import prepared_images
from training.evaluation.metrics import Labels, all_numbers
from training.networks.ensemble import held_out
from training.networks.network import Responses

# How much worse int8 and bf16 may be. The calibration error may rise by as much as the balanced accuracy may fall.
LARGEST_LOSS = {"balanced_accuracy": 0.005, "melanoma_recall": 0.01, "calibration_error": 0.005}
LARGEST_MISS = 0.25  # difference from a golden probability
LEAST_CORRELATION = 0.95  # of 95 % of the heat maps in bf16, whose graph is that of fp32
_SMALLER_IS_BETTER = {"calibration_error"}
CHUNK = 64  # images prepared at once


class BelowGate(RuntimeError):
    """A precision is too much worse than fp32; the message names each limit that it exceeds, and what is unchanged.

    `cause`: the same without the bundle that is unchanged.
    """

    def __init__(self, precision: str, faults: str, *, unchanged: Path) -> None:
        super().__init__(f"{precision} does not pass the gate; {unchanged} is unchanged. {faults}")
        self.cause = f"{precision} does not pass the gate. {faults}"


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationSet:
    """The images that a graph is measured on, and how.

    `source`: their name in the model card. `spec`, `head`, `temperature`: those of the bundle. `of_image`: after a
    cross-validation, int64 [n], the index of the one of the `members` networks that was not trained on each image and
    whose answer is measured; None: the answer of the whole graph is measured.
    """

    records: prepared_images.Records
    source: str
    spec: Preprocessing
    head: Head
    temperature: float
    of_image: NDArray[np.int64] | None = None
    members: int = 1

    @property
    def labels(self) -> Labels:
        """Class indices int64 [n]."""
        return prepared_images.labels_of(self.records)

    def numbers(self, responses: Responses) -> GraphNumbers:
        """The metrics of the responses to the images."""
        if self.of_image is not None:
            responses = held_out(responses, head=self.head, of_image=self.of_image, count=self.members)
        weights = np.ones((1, len(self.records)))
        metrics = all_numbers(self.labels, softmax(responses.logits, self.temperature), weights)
        names = ("balanced_accuracy", "macro_auc", "calibration_error")
        overall = {name: float(metrics[name, ""][0]) for name in names}
        return GraphNumbers(melanoma_recall=float(metrics["recall", "mel"][0]), **overall)


@dataclass(slots=True)
class _Answers:
    """The outputs of one graph, one entry for each image: logits [1, 7], pooled [1, C], class map [h, w]."""

    logits: list[NDArray[np.float32]]
    pooled: list[NDArray[np.float32]]
    maps: list[NDArray[np.float32]]

    def responses(self) -> Responses:
        return Responses(logits=np.concatenate(self.logits), pooled=np.concatenate(self.pooled))


def compare_runtimes(fp32: Runtime, other: Runtime, evaluation: EvaluationSet) -> GraphComparison:
    """Run both on every image and compare the outputs. Feature maps are not kept. Raises InvalidDataset."""
    answers = {f"openvino-{runtime.precision}": _Answers([], [], []) for runtime in (fp32, other)}
    explain = EXPLAINERS["gradcam++"]
    words = f"comparing fp32 and {other.precision}"
    for image in tracked(_images(evaluation), words, total=len(evaluation.records)):
        both = [runtime.run(image[np.newaxis]) for runtime in (fp32, other)]
        predicted = int(both[0].logits.argmax())
        for own, outputs in zip(answers.values(), both, strict=True):
            own.logits.append(outputs.logits)
            own.pooled.append(outputs.features.mean(axis=(1, 2)))
            own.maps.append(explain(outputs.features, evaluation.head)[0, :, :, predicted])
    of_fp32, of_other = answers.values()
    same = of_fp32.responses().logits.argmax(axis=1) == of_other.responses().logits.argmax(axis=1)
    return GraphComparison(
        source=evaluation.source,
        images=len(evaluation.records),
        graphs={graph: evaluation.numbers(own.responses()) for graph, own in answers.items()},
        same_class=float(same.mean()),
        heat_maps=compare_maps(of_fp32.maps, of_other.maps),
    )


def _images(evaluation: EvaluationSet) -> Iterator[NDArray[np.uint8]]:
    """The prepared images, uint8 [s, s, 3] each. Raises InvalidDataset."""
    for first in range(0, len(evaluation.records), CHUNK):
        yield from prepared_images.prepare_images(evaluation.records[first : first + CHUNK], evaluation.spec)


def compare_maps(fp32: Sequence[NDArray[np.float32]], other: Sequence[NDArray[np.float32]]) -> HeatMaps:
    """Compare class maps float32 [h, w] of the same images by Spearman's rank correlation and by the place of the peak.

    Images whose fp32 map is constant are left out. A map that is constant in the other only has correlation 0.
    """
    pairs = [(a.ravel(), b.ravel()) for a, b in zip(fp32, other, strict=True) if np.ptp(a) > 0]
    if not pairs:
        return HeatMaps(images=0, rank_correlation=0, rank_correlation_of_95_percent=0, peak_moved=0)
    correlations = [float(spearmanr(a, b).statistic) if np.ptp(b) > 0 else 0.0 for a, b in pairs]
    return HeatMaps(
        images=len(pairs),
        rank_correlation=float(np.mean(correlations)),
        rank_correlation_of_95_percent=float(np.quantile(correlations, 0.05)),
        peak_moved=float(np.mean([np.ptp(b) == 0 or a.argmax() != b.argmax() for a, b in pairs])),
    )


def losses(fp32: GraphNumbers, other: GraphNumbers) -> dict[str, float]:
    """By how much the other is worse in each metric of the gate; negative if it is better."""
    return {
        name: (getattr(other, name) - getattr(fp32, name)) * (1 if name in _SMALLER_IS_BETTER else -1)
        for name in LARGEST_LOSS
    }


def find_faults(comparison: GraphComparison, *, missed: float) -> tuple[str, ...]:
    """Why a precision does not pass the gate: one clause for each limit that it exceeds; empty if it passes.

    `missed`: the largest difference of its probabilities from those of the golden cases. A graph with a large
    difference could not be verified when it is opened.
    """
    in_bfloat16 = OPENVINO_BF16 in comparison.graphs
    fp32, other = comparison.graphs[OPENVINO_FP32], comparison.graphs[OPENVINO_BF16 if in_bfloat16 else OPENVINO_INT8]
    faults = [
        f"{name.replace('_', ' ')} goes from {getattr(fp32, name):.4f} to {getattr(other, name):.4f}"
        f" (it may get worse by {LARGEST_LOSS[name]:g})"
        for name, loss in losses(fp32, other).items()
        if not loss <= LARGEST_LOSS[name] + 1e-9  # a NaN is refused too; a loss of exactly the limit passes
    ]
    if not missed <= LARGEST_MISS:
        faults.append(
            f"the golden cases are missed by {missed:.2g} in probability (at most {LARGEST_MISS:g} is allowed)"
        )
    correlation = comparison.heat_maps.rank_correlation_of_95_percent
    if in_bfloat16 and not correlation >= LEAST_CORRELATION:
        faults.append(
            f"95 % of the heat maps reach a rank correlation of {correlation:.3f} (at least {LEAST_CORRELATION})"
        )
    return tuple(faults)
