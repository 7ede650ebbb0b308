"""python -m benchmarks.gpu: how many images a second does a GPU answer, by batch size?

EfficientNetV2M with random weights by TensorFlow, through the service's runtime, which measures the sizes when it is
loaded. Without a GPU it says that it was skipped. One JSON line.
"""

import os
import sys
import time

from benchmarks.harness.bundles import about, opened
from benchmarks.harness.measuring import PACKAGES, emit, flat, options, summary, take_turns
from benchmarks.harness.openvino_baseline import images_for

SECONDS = 20.0


def main() -> None:
    """Measure and print, or say why not."""
    given, began = options(__doc__.partition(":")[0]).parse_args(), time.perf_counter()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    if not gpus:
        print("benchmarks.gpu was skipped: TensorFlow sees no GPU here", file=sys.stderr)
        emit("gpu", began=began, share=given.share, skipped="TensorFlow sees no GPU here")
        return
    from inference.runtimes import open_runtime
    from inference.runtimes.batch_buckets import BUCKETS

    bundle = opened(given.bundle)
    runtime, image = open_runtime(bundle, name="tensorflow"), images_for(bundle)[:1]
    sizes = [size for size in BUCKETS if size <= runtime.batch]
    ways = {str(size): lambda size=size: runtime.run(image.repeat(size, axis=0)) for size in sizes}
    times = take_turns(ways, seconds=given.share * SECONDS)
    emit(
        "gpu",
        began=began,
        share=given.share,
        packages=(*PACKAGES, "keras"),
        model=about(bundle),
        gpus=gpus,
        chosen=runtime.batch,
        milliseconds={size: summary(flat(each)) for size, each in times.items()},
        images_per_second={
            size: summary([1000 * int(size) / one for one in flat(each)]) for size, each in times.items()
        },
    )


if __name__ == "__main__":
    main()
