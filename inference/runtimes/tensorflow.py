"""TensorFlow, the reference runtime, and the one that uses GPUs."""

from contextlib import suppress

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inference.bundle.storage import Bundle
from inference.domain.graph_names import KERAS, Precision
from inference.runtimes import Outputs, RuntimeUnavailable, require_graph
from inference.runtimes.batch_buckets import choose, measure, run_in_buckets


class TensorFlowRuntime:
    """The bundle's keras graph as a traced function; a call of `model.predict` takes more than twice as long.

    On a CPU one function takes batches of every size. On a GPU there is a function for each of a few sizes, all of them
    compiled and timed when the graph is loaded; the largest size that was worth its wait becomes `batch`.
    """

    name = "tensorflow"
    graph = KERAS
    precision: Precision = "fp32"

    def __init__(self, bundle: Bundle, precision: Precision, reason: str) -> None:
        """Load and trace the graph; see Runtime for `reason`.

        Raises RuntimeUnavailable for a precision other than fp32, or a missing graph.
        """
        if precision != "fp32":
            raise RuntimeUnavailable(f"TensorFlow runs the fp32 graph only; {precision} needs the openvino runtime.")
        self.reason = reason
        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            with suppress(RuntimeError):  # it is in use already: another graph was loaded before
                tf.config.experimental.set_memory_growth(gpu, True)  # or TensorFlow takes all of its memory
        model = tf.keras.models.load_model(require_graph(bundle, self.graph), compile=False, safe_mode=True)
        size = bundle.manifest.preprocessing.size
        signature = None if gpus else [tf.TensorSpec([None, size, size, 3], tf.uint8)]  # None: a function a size
        self._traced = tf.function(lambda batch: model(batch, training=False), input_signature=signature)
        self._buckets: tuple[int, ...] = ()
        self.batch = 1
        if gpus:
            seconds = measure(self._forward, size=size)
            self.batch = choose(seconds)
            self._buckets = tuple(bucket for bucket in seconds if bucket <= self.batch) or (1,)

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """uint8 [n, size, size, 3] -> Outputs."""
        return run_in_buckets(self._forward, batch, self._buckets) if self._buckets else self._forward(batch)

    def _forward(self, batch: NDArray[np.uint8]) -> Outputs:
        """One call of the function. Raises MemoryError if the device lacks memory."""
        try:
            result = self._traced(tf.constant(batch))
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError(f"The device has no memory for {len(batch)} images.") from error
        return Outputs(logits=result["logits"].numpy(), features=result["features"].numpy())
