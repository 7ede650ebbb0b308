"""python -m benchmarks.explanations: time of a Grad-CAM++ map of one class, from the image to the map.

It compares the closed form, which needs one forward pass by OpenVINO and gives the maps of all seven classes, with a
GradientTape around the Keras model, eager and as one traced function. EfficientNetV2M at 480
pixels with random weights; the ways take turns. Prints one JSON line.
"""

import os
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import openvino_baseline
from benchmarks.harness.bundles import about, opened, precisions
from benchmarks.harness.measuring import PACKAGES, emit, flat, options, paired, summary, take_turns
from inference.bundle.storage import Bundle
from inference.explainers import EXPLAINERS
from inference.runtimes import open_runtime, require_graph

SECONDS = 30.0
CLASS = 4
EAGER, TRACED = "GradientTape, eager", "GradientTape, traced"


def main() -> None:
    """Measure and print."""
    given, began = options(__doc__.partition(":")[0]).parse_args(), time.perf_counter()
    bundle = opened(given.bundle)
    image = openvino_baseline.images_for(bundle)[:1]
    tape = textbook(bundle)
    ways = {name: (lambda explain=explain: explain(image)) for name, explain in tape.items()}
    closed = {f"closed form, {each}": closed_form(bundle, each) for each in precisions(bundle)}
    ways |= {name: (lambda explain=explain: explain(image)) for name, explain in closed.items()}
    differences = {name: difference(explain(image), tape[TRACED](image)) for name, explain in closed.items()}
    times = take_turns(ways, seconds=given.share * SECONDS, calls=2)
    emit(
        "explanations",
        began=began,
        share=given.share,
        packages=(*PACKAGES, "tensorflow-cpu", "keras"),
        model=about(bundle),
        milliseconds={name: summary(flat(each)) for name, each in times.items()},
        tape_of_ours={
            name: {base: summary(paired(times[base], times[name])[0]) for base in (EAGER, TRACED)} for name in closed
        },
        largest_difference=differences,
    )


def difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """The largest difference of two maps, each scaled by its own maximum."""
    one, other = (each / max(float(each.max()), 1e-30) for each in (ours, theirs))
    return float(np.abs(one - other).max())


def closed_form(bundle: Bundle, precision: Any) -> Any:
    """What the service does: image [1, s, s, 3] -> map [h, w] of CLASS."""
    runtime = open_runtime(bundle, name="openvino", precision=precision)
    return lambda image: EXPLAINERS["gradcam++"](runtime.run(image).features, bundle.head)[0, :, :, CLASS]


def textbook(bundle: Bundle) -> dict[str, Any]:
    """Grad-CAM++ (Chattopadhay et al. 2018, eq. 19) by automatic differentiation, for the exponential of the logit."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    model: Any = tf.keras.models.load_model(require_graph(bundle, "keras"), compile=False)

    def explain(image: Any) -> Any:
        with tf.GradientTape() as tape:
            found = model(image, training=False)
            score = found["logits"][:, CLASS]
        gradient = tape.gradient(score, found["features"])
        sums = tf.reduce_sum(found["features"], axis=(1, 2), keepdims=True)
        below = 2 * gradient**2 + sums * gradient**3
        alpha = gradient**2 / tf.where(below == 0, tf.ones_like(below), below)
        weights = tf.reduce_sum(alpha * tf.nn.relu(gradient), axis=(1, 2), keepdims=True)
        return tf.nn.relu(tf.reduce_sum(weights * found["features"], axis=-1))[0]

    traced = tf.function(explain)
    return {EAGER: lambda image: explain(image).numpy(), TRACED: lambda image: traced(tf.constant(image)).numpy()}


if __name__ == "__main__":
    main()
