"""An fp32 graph -> int8 by NNCF's post-training quantisation: from images alone, without labels or gradients."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import nncf
    import openvino as ov

DEPTHWISE = "GroupConvolution"


def quantise_graph(graph: ov.Model, images: NDArray[np.uint8], *, kept: Sequence[str] = ()) -> ov.Model:
    """Weights and activations in int8, ranges from `images` uint8 [n, s, s, 3]; the head stays in fp32, and so do the
    types of operations in `kept`.

    The head is a ten-thousandth of the work. In fp32 the logits remain what heat maps assume: the head's linear
    function of the mean of the features that the graph returns, which no layer after them rounds again.
    """
    nncf = _nncf()
    quantised: ov.Model = nncf.quantize(
        graph,
        nncf.Dataset([image[np.newaxis] for image in images]),
        preset=nncf.QuantizationPreset.MIXED,  # activations after a swish are not symmetric
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(names=head_operations(graph), types=list(kept)),
    )
    return quantised


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

    # Its own set_log_level would set the level of every handler it finds there, whoever put it.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf
