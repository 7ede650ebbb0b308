"""OpenVINO: the default runtime on CPUs."""

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from inference.bundle import Bundle
from inference.runtimes import Outputs, Precision, require_graph


class OpenVinoRuntime:
    """The bundle's openvino-fp32 or openvino-int8 graph, compiled for a batch of one.

    A batch runs image by image: on a CPU a fixed shape of one is as fast an image as a larger batch, and the
    result cannot depend on an image's neighbours.
    """

    name = "openvino"
    batch = 1

    def __init__(self, bundle: Bundle, precision: Precision) -> None:
        self.graph = f"openvino-{precision}"
        self.precision = precision
        self.reason = ""
        core = ov.Core()
        model = core.read_model(require_graph(bundle, self.graph))
        size = bundle.manifest.preprocessing.size
        model.reshape([1, size, size, 3])
        hints = {
            # Where the CPU has bfloat16, OpenVINO 2026.4 would use it unasked, at the cost of accuracy.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled = core.compile_model(model, "CPU", hints)
        self._request = compiled.create_infer_request()
        self._logits, self._features = compiled.output("logits"), compiled.output("features")

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """uint8 [n, size, size, 3] -> Outputs."""
        logits, features = [], []
        for image in batch:
            result = self._request.infer(np.ascontiguousarray(image[np.newaxis]))
            logits.append(np.array(result[self._logits]))  # copied: OpenVINO reuses its buffers
            features.append(np.array(result[self._features]))
        return Outputs(logits=np.concatenate(logits), features=np.concatenate(features))
