"""OpenVINO alone, as the baseline of the service.

`one` is the runtime call of the service. A batch of eight and two streams are the settings for the best throughput.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from inference.bundle.storage import Bundle
from inference.runtimes import Runtime, open_runtime, require_graph
from training.data.synthetic_lesions import draw_squares

BATCH, STREAMS = 8, 2

Call = Callable[[], object]


def images_for(bundle: Bundle) -> NDArray[np.uint8]:
    """uint8 [BATCH, size, size, 3] of drawn lesions."""
    return draw_squares(size=bundle.manifest.preprocessing.size, count=BATCH)


def one(bundle: Bundle, precision: Any) -> Call:
    """One image by the service's runtime."""
    return _run(open_runtime(bundle, name="openvino", precision=precision), images_for(bundle)[:1])


def batch(bundle: Bundle, runtime: Runtime) -> Call:
    """BATCH images in one call of the runtime's graph in that shape."""
    request, images = _compile(bundle, runtime, images=BATCH, hints={}).create_infer_request(), images_for(bundle)
    return lambda: request.infer(images)


def streams(bundle: Bundle, runtime: Runtime) -> Call:
    """BATCH images, each a call of its own, STREAMS of them at a time."""
    compiled = _compile(bundle, runtime, images=1, hints={"NUM_STREAMS": str(STREAMS)})
    queue, images = ov.AsyncInferQueue(compiled, STREAMS), images_for(bundle)

    def run() -> None:
        for image in images:
            queue.start_async(image[np.newaxis])
        queue.wait_all()

    return run


def rates(bundle: Bundle, precision: Any) -> dict[str, tuple[Call, int]]:
    """Every way of it with how many images a call answers."""
    runtime = open_runtime(bundle, name="openvino", precision=precision)
    return {
        "one at a time": (_run(runtime, images_for(bundle)[:1]), 1),
        f"batch of {BATCH}": (batch(bundle, runtime), BATCH),
        f"{STREAMS} streams": (streams(bundle, runtime), BATCH),
    }


def _run(runtime: Runtime, image: NDArray[np.uint8]) -> Call:
    return lambda: runtime.run(image)


def _compile(bundle: Bundle, runtime: Runtime, *, images: int, hints: dict[str, str]) -> Any:
    core, size = ov.Core(), bundle.manifest.preprocessing.size
    model = core.read_model(Path(require_graph(bundle, runtime.graph)))
    model.reshape([images, size, size, 3])
    # As inference/runtimes/openvino.py: without it OpenVINO 2026.4 picks bfloat16 where the CPU has it.
    computed_in = "bf16" if runtime.precision == "bf16" else "f32"
    return core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": computed_in} | hints)
