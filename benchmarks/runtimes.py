"""python -m benchmarks.runtimes: how long does a forward pass of one image take, by everything that can execute it?

EfficientNetV2M at 480 pixels, random weights, batch 1, taking turns in one run; then images a second by OpenVINO one
at a time, in batches and in streams. LiteRT, ONNX Runtime and torch.compile would each need another export by packages
that the project does not have, and are left out (the LiteRT in TensorFlow is deprecated). One JSON line.
"""

import os
import time
from typing import Any

from benchmarks.harness import openvino_baseline
from benchmarks.harness.bundles import about, opened, precisions
from benchmarks.harness.measuring import PACKAGES, emit, flat, options, summary, take_turns
from inference.bundle.storage import Bundle
from inference.runtimes import require_graph

SECONDS, THROUGHPUT_SECONDS = 30.0, 6.0  # all ways together; a precision
LEFT_OUT = dict.fromkeys(("LiteRT", "ONNX Runtime", "torch.compile"), "it needs another export and other packages")


def main() -> None:
    """Measure and print."""
    given, began = options(__doc__.partition(":")[0]).parse_args(), time.perf_counter()
    bundle = opened(given.bundle)
    ways = tensorflow_ways(bundle)
    ways |= {f"OpenVINO {each}": openvino_baseline.one(bundle, each) for each in precisions(bundle)}
    times = take_turns(ways, seconds=given.share * SECONDS)
    emit(
        "runtimes",
        began=began,
        share=given.share,
        packages=(*PACKAGES, "tensorflow-cpu", "keras"),
        model=about(bundle),
        milliseconds={name: summary(flat(each)) for name, each in times.items()},
        images_per_second={
            each: images_per_second(bundle, each, seconds=given.share * THROUGHPUT_SECONDS)
            for each in precisions(bundle)
        },
        left_out=LEFT_OUT,
    )


def images_per_second(bundle: Bundle, precision: str, *, seconds: float) -> dict[str, object]:
    """By each way of `bare.rates`, taking turns."""
    ways = openvino_baseline.rates(bundle, precision)
    times = take_turns({name: call for name, (call, _) in ways.items()}, seconds=seconds, settle=0, calls=1)
    return {name: summary([1000 * ways[name][1] / one for one in flat(each)]) for name, each in times.items()}


def tensorflow_ways(bundle: Bundle) -> dict[str, openvino_baseline.Call]:
    """The bundle's Keras graph by everything that TensorFlow offers."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model: Any = tf.keras.models.load_model(require_graph(bundle, "keras"), compile=False)
    image = openvino_baseline.images_for(bundle)[:1]
    signature = tf.TensorSpec([1, *image.shape[1:]], tf.uint8)
    traced = tf.function(lambda given: model(given, training=False), input_signature=[signature])
    frozen, tensor = convert_variables_to_constants_v2(traced.get_concrete_function()), tf.constant(image)
    return {
        "Keras eager": lambda: model(image, training=False)["logits"].numpy(),
        "Keras model.predict": lambda: model.predict(image, verbose=0),
        "Keras predict_on_batch": lambda: model.predict_on_batch(image),
        "tf.function": lambda: traced(image)["logits"].numpy(),
        "frozen TensorFlow graph": lambda: [each.numpy() for each in frozen(tensor)],
    }


if __name__ == "__main__":
    main()
