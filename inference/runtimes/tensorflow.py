"""TensorFlow: the reference runtime, and the one for GPUs."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inference.bundle import Bundle
from inference.runtimes import Outputs, Precision, RuntimeUnavailable, require_graph

BATCH_ON_GPU = 8


class TensorFlowRuntime:
    """The bundle's keras graph as one traced function; `model.predict` costs more than twice as much a call."""

    name = "tensorflow"
    graph = "keras"
    precision: Precision = "fp32"
    reason = ""

    def __init__(self, bundle: Bundle, precision: Precision) -> None:
        if precision == "int8":
            raise RuntimeUnavailable("TensorFlow runs the fp32 graph only; int8 needs the openvino runtime.")
        model = tf.keras.models.load_model(require_graph(bundle, self.graph), compile=False, safe_mode=True)
        self.batch = BATCH_ON_GPU if tf.config.list_physical_devices("GPU") else 1
        size = bundle.manifest.preprocessing.size
        signature = tf.TensorSpec([None, size, size, 3], tf.uint8)
        self._forward = tf.function(lambda batch: model(batch, training=False), input_signature=[signature])

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """uint8 [n, size, size, 3] -> Outputs."""
        result = self._forward(batch)
        return Outputs(logits=result["logits"].numpy(), features=result["features"].numpy())
