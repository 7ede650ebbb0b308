"""OpenVINO: the default runtime on CPUs."""

from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from inference.bundle import Bundle
from inference.runtimes import Outputs, Precision, require_graph

# Where the CPU has bfloat16, OpenVINO 2026.4 would use it unasked, at the cost of accuracy.
_HINTS = {"INFERENCE_PRECISION_HINT": "f32"}
# Bytes of a graph's file of weights up to which it is compiled twice; decision 7 says what that gains and costs.
LARGEST_TWICE = 40_000_000


class OpenVinoRuntime:
    """The bundle's openvino-fp32 or openvino-int8 graph, compiled for one image, so that no image depends on others.

    An image alone gets every core. Several at once go through streams, if the graph is small, each image in one of
    them: cores that need not meet after every small layer answer more images a second.
    """

    name = "openvino"

    def __init__(self, bundle: Bundle, precision: Precision) -> None:
        self.graph = f"openvino-{precision}"
        self.precision = precision
        self.reason = ""
        core, path = ov.Core(), Path(require_graph(bundle, self.graph))
        model = core.read_model(path)
        size = bundle.manifest.preprocessing.size
        model.reshape([1, size, size, 3])
        compiled = core.compile_model(model, "CPU", _HINTS | {"PERFORMANCE_HINT": "LATENCY"})
        self._alone = [compiled.create_infer_request()]
        self._together = self._alone
        if path.with_suffix(".bin").stat().st_size <= LARGEST_TWICE:
            compiled = core.compile_model(model, "CPU", _HINTS | {"PERFORMANCE_HINT": "THROUGHPUT"})
            streams = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
            self._together = [compiled.create_infer_request() for _ in range(streams)]
        self.batch = len(self._together)

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """uint8 [n, size, size, 3] -> Outputs."""
        requests = self._together if len(batch) > 1 else self._alone
        found = [
            outputs
            for first in range(0, len(batch), len(requests))
            for outputs in _infer(requests, batch[first : first + len(requests)])
        ]
        logits, features = zip(*found, strict=True)
        return Outputs(logits=np.concatenate(logits), features=np.concatenate(features))


def _infer(
    requests: list[ov.InferRequest], images: NDArray[np.uint8]
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Logits [1, 7] and features [1, h, w, C] of each image, all at the same time."""
    started = list(zip(requests, images, strict=False))
    for request, image in started:
        request.start_async(np.ascontiguousarray(image[np.newaxis]))
    errors = []
    for request, _ in started:
        try:
            request.wait()
        except RuntimeError as error:  # raised when none is busy any more
            errors.append(error)
    if errors:
        raise errors[0]
    # Copied: OpenVINO reuses its buffers.
    return [
        (np.array(request.get_tensor("logits").data), np.array(request.get_tensor("features").data))
        for request, _ in started
    ]
