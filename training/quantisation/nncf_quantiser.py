"""Quantises an fp32 graph to int8 with NNCF, after training: it needs images, but neither labels nor gradients."""

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
    """A graph with weights and activations in int8, whose ranges come from `images` uint8 [n, s, s, 3].

    The head stays in fp32, and so do operations of the types in `kept`. The head is a ten-thousandth of the work. In
    fp32 its logits are what heat maps assume: a linear function of the mean of the features that the graph returns.
    """
    nncf = _nncf()
    quantised: ov.Model = nncf.quantize(
        graph,
        nncf.Dataset([image[np.newaxis] for image in images]),
        preset=nncf.QuantizationPreset.MIXED,  # activations after a swish are asymmetric
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(names=head_operations(graph), types=list(kept)),
    )
    return quantised


def head_operations(graph: ov.Model) -> list[str]:
    """Names of the operations between the features and the logits, from pooling to the dense layer's product."""
    names, waiting = [], [graph.output("logits").get_node()]
    while waiting:
        node = waiting.pop()
        kind = node.get_type_name()
        if kind in ("MatMul", "ReduceMean"):
            names.append(node.get_friendly_name())
        if kind != "ReduceMean":
            waiting += [port.get_source_output().get_node() for port in node.inputs()]
    return names


def _nncf() -> nncf:
    """Import NNCF. Version 3.4 reports its use to Google Analytics unless NNCF_CI is set before the import."""
    os.environ.setdefault("NNCF_CI", "1")
    import nncf

    # NNCF's own set_log_level would also change the level of handlers that other code has added.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf
