"""OpenVINO, the default runtime on CPUs."""

from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from inference.bundle.storage import Bundle
from inference.domain.graph_names import OPENVINO_FP32, Precision
from inference.runtimes import Outputs, RuntimeUnavailable, require_graph

# Always set: OpenVINO 2026.4 computes in bfloat16 by default on CPUs that have it. int8 graphs name their own types.
_COMPUTED_IN: dict[Precision, str] = {"fp32": "f32", "int8": "f32", "bf16": "bf16"}
# Graphs with weights up to this many bytes are also compiled for streams: docs/decisions, decision 7.
MAX_STREAM_BYTES = 40_000_000


class OpenVinoRuntime:
    """The bundle's openvino-fp32 or openvino-int8 graph, compiled for batch size 1: no image affects another.

    bf16 is the fp32 graph with convolutions computed in bfloat16. Its logits are computed here in fp32 from its
    features: heat maps and the out-of-distribution score assume that they are the head's linear function of these.

    A single image is computed by all cores. A batch of a small graph is spread over streams, one image each: throughput
    is higher because cores do not synchronise after every small layer.
    """

    name = "openvino"
    compiler = ov.get_version()  # what it compiles is kept for this version: inference.runtimes.compiled_graphs

    def __init__(self, bundle: Bundle, precision: Precision, reason: str) -> None:
        """Load and compile the graph; see Runtime for `reason`.

        Files of earlier compilations are read from and written to the folder `bundle.compiled`, unless it is None.
        Raises RuntimeUnavailable if the bundle lacks it, or if OpenVINO does not compute in bf16 here.
        """
        self.graph = OPENVINO_FP32 if precision == "bf16" else f"openvino-{precision}"
        self.precision = precision
        self.reason = reason
        self._head = bundle.head if precision == "bf16" else None
        core, path = ov.Core(), Path(require_graph(bundle, self.graph))
        model = core.read_model(path)
        size = bundle.manifest.preprocessing.size
        model.reshape([1, size, size, 3])
        hints = {"INFERENCE_PRECISION_HINT": _COMPUTED_IN[precision]}
        if bundle.compiled:
            hints["CACHE_DIR"] = str(bundle.compiled)
        compiled = core.compile_model(model, "CPU", hints | {"PERFORMANCE_HINT": "LATENCY"})
        if precision == "bf16":
            _require_bfloat16(bundle, compiled)
        self._single = self._streams = [compiled.create_infer_request()]
        if path.with_suffix(".bin").stat().st_size <= MAX_STREAM_BYTES:
            compiled = core.compile_model(model, "CPU", hints | {"PERFORMANCE_HINT": "THROUGHPUT"})
            count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
            self._streams = [compiled.create_infer_request() for _ in range(count)]
        self.batch = len(self._streams)

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """uint8 [n, size, size, 3] -> Outputs."""
        requests = self._streams if len(batch) > 1 else self._single
        pairs = [
            pair
            for first in range(0, len(batch), len(requests))
            for pair in _infer(requests, batch[first : first + len(requests)])
        ]
        logits, features = (np.concatenate(each) for each in zip(*pairs, strict=True))
        if self._head:
            logits = features.mean(axis=(1, 2)) @ self._head.w + self._head.b
        return Outputs(logits=logits, features=features)


def _require_bfloat16(bundle: Bundle, compiled: ov.CompiledModel) -> None:
    """Raises RuntimeUnavailable if the bundle was not measured in bf16, or OpenVINO computes in another precision."""
    if bundle.manifest.bfloat16 is None:
        raise RuntimeUnavailable("The bundle was not measured in bf16: python -m training quantise --precision bf16.")
    if compiled.get_property("INFERENCE_PRECISION_HINT") != ov.Type.bf16:
        raise RuntimeUnavailable("This processor has no bf16 instructions that OpenVINO uses (AVX512_BF16, AMX).")


def _infer(
    requests: list[ov.InferRequest], images: NDArray[np.uint8]
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Run one request an image, concurrently: a list of logits [1, 7] and features [1, h, w, C]."""
    started = list(zip(requests, images, strict=False))
    for request, image in started:
        request.start_async(np.ascontiguousarray(image[np.newaxis]))
    errors = []
    for request, _ in started:
        try:
            request.wait()
        except RuntimeError as error:  # raised below, when no request is running any more
            errors.append(error)
    if errors:
        raise errors[0]
    # np.array copies: OpenVINO reuses its buffers.
    return [
        (np.array(request.get_tensor("logits").data), np.array(request.get_tensor("features").data))
        for request, _ in started
    ]
