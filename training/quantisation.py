"""An fp32 graph -> int8 by NNCF's post-training quantisation: from images alone, without labels or gradients."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.model import Responses

if TYPE_CHECKING:
    import nncf
    import openvino as ov

RESTORED_AT_MOST = 20  # operations that accuracy control gives back to fp32, one after the other
RANKED_ON = 24  # images on which it finds out which operations to try first

Score = Callable[[Responses, NDArray[np.int64]], float]


def quantise_graph(graph: ov.Model, images: NDArray[np.uint8]) -> ov.Model:
    """Weights and activations in int8, ranges from `images` uint8 [n, s, s, 3]; the head stays in fp32.

    The head is a ten-thousandth of the work. In fp32 the logits remain what heat maps assume: the head's linear
    function of the mean of the features that the graph returns, which no layer after them rounds again.
    """
    nncf = _nncf()
    quantised: ov.Model = nncf.quantize(
        graph,
        nncf.Dataset([image[np.newaxis] for image in images]),
        preset=nncf.QuantizationPreset.MIXED,  # activations after a swish are not symmetric
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(names=head_operations(graph)),
    )
    return quantised


def quantise_with_care(
    graph: ov.Model, images: NDArray[np.uint8], *, shown: NDArray[np.uint8], score: Score
) -> ov.Model:
    """The same, and then the operations that cost most are given back to fp32, until the score on `shown` is allowed.

    `score`: responses to the images `rows` of `shown` -> 0 as good as fp32, -1 just allowed.
    """
    nncf = _nncf()

    def validate(compiled: ov.CompiledModel, items: Iterable[tuple[int, NDArray[np.uint8]]]) -> tuple[float, Any]:
        rows, responses = _answer(compiled, items)
        return score(responses, rows), [[logits] for logits in responses.logits]

    quantised: ov.Model = nncf.quantize_with_accuracy_control(
        graph,
        nncf.Dataset([image[np.newaxis] for image in images]),
        nncf.Dataset(list(enumerate(shown)), lambda item: item[1][np.newaxis]),
        validate,
        max_drop=1.0,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(names=head_operations(graph)),
        advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
            max_num_iterations=RESTORED_AT_MOST, ranking_subset_size=RANKED_ON
        ),
    )
    return quantised


def _answer(
    compiled: ov.CompiledModel, items: Iterable[tuple[int, NDArray[np.uint8]]]
) -> tuple[NDArray[np.int64], Responses]:
    rows, logits, pooled = [], [], []
    for row, image in items:
        outputs = compiled(image[np.newaxis])
        rows.append(row)
        logits.append(np.array(outputs["logits"]))
        pooled.append(np.array(outputs["features"]).mean(axis=(1, 2)))
    return np.array(rows, np.int64), Responses(logits=np.concatenate(logits), pooled=np.concatenate(pooled))


def head_operations(graph: ov.Model) -> list[str]:
    """Names of the operations between the features and the logits, from pooling to the dense layer's product."""
    found, waiting = [], [graph.output("logits").get_node()]
    while waiting:
        node = waiting.pop()
        kind = node.get_type_name()
        if kind in ("MatMul", "ReduceMean"):
            found.append(node.get_friendly_name())
        if kind != "ReduceMean":
            waiting += [each.get_source_output().get_node() for each in node.inputs()]
    return found


def _nncf() -> nncf:
    """NNCF 3.4 tells Google Analytics that it is used, unless this is set before it is imported."""
    os.environ.setdefault("NNCF_CI", "1")
    import nncf

    nncf.set_log_level(logging.ERROR)
    return nncf
