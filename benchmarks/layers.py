"""python -m benchmarks.layers: time of each kind of layer in a forward pass.

OpenVINO's own times of every layer, the least of several calls, summed by kind, with the arithmetic of the convolutions
and how fast it was done; beside it the rate of one large product of matrices in the same precision. All arithmetic at
that rate is the floor. Then the whole pass with other settings than those that are served, in turn. One JSON line.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial

import numpy as np
import openvino as ov
from openvino import opset15 as ops
from openvino._offline_transformations import compress_model_transformation

from benchmarks.harness.measuring import emit, flat, options, paired, summary, take_turns
from inference.bundle.storage import Bundle, open_bundle
from inference.runtimes import require_graph

PRECISIONS = ("fp32", "int8")
CALLS, PRODUCTS = 15, 20
CHANNELS, SIDE = 1024, 48
HINTS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "PERF_COUNT": True}
LEVELS = 255
SERVED, SMALLER = "as served", "weights stored in float16"
SETTINGS: dict[str, dict[str, object]] = {
    SERVED: {},
    "threads pinned to cores": {"ENABLE_CPU_PINNING": True},
    "no hyper-threading": {"ENABLE_HYPER_THREADING": False},
    "denormal numbers as zero": {"CPU_DENORMALS_OPTIMIZATION": True},
    SMALLER: {},
    "computed in bfloat16": {"INFERENCE_PRECISION_HINT": "bf16"},
    "computed in float16": {"INFERENCE_PRECISION_HINT": "f16"},
}
SETTINGS_SECONDS = 10.0  # a precision


def main() -> None:
    """Measure and print."""
    given, began = options(__doc__.partition(":")[0]).parse_args(), time.perf_counter()
    bundle = open_bundle(given.bundle)
    found = {
        precision: measure(bundle, precision, share=given.share)
        for precision in PRECISIONS
        if f"openvino-{precision}" in bundle.manifest.graphs
    }
    emit("layers", began=began, share=given.share, backbone=bundle.manifest.backbone, graphs=found)


def measure(bundle: Bundle, precision: str, *, share: float) -> dict[str, object]:
    """One graph: its kinds of layers, the slowest first, and the floor."""
    size = bundle.manifest.preprocessing.size
    model = ov.Core().read_model(require_graph(bundle, f"openvino-{precision}"))
    model.reshape([1, size, size, 3])
    work = dict(_arithmetic(model))
    image = np.zeros((1, size, size, 3), np.uint8)
    kinds, whole = _profile(model, work, image, calls=max(2, round(CALLS * share)))
    settings = _compare_settings(model, image, seconds=share * SETTINGS_SECONDS)
    rate, total = _matrix_rate(precision, products=max(2, round(PRODUCTS * share))), sum(work.values()) / 1e9
    return {
        "forward_ms": round(whole, 1),
        "gflop": round(total, 3),
        "matrix_gflops": round(rate),
        "floor_ms": round(1000 * total / rate, 1),
        "kinds": kinds,
        "settings": settings,
    }


def _compare_settings(model: ov.Model, image: np.ndarray, *, seconds: float) -> dict[str, dict[str, object]]:
    """Milliseconds of a pass with each of SETTINGS, and what part of the served one's of the same round that is."""
    smaller = model.clone()
    compress_model_transformation(smaller)
    ways = {}
    for name, changes in SETTINGS.items():
        hints = {key: value for key, value in HINTS.items() if key != "PERF_COUNT"} | changes
        compiled = ov.Core().compile_model(smaller if name == SMALLER else model, "CPU", hints)
        ways[name] = partial(compiled.create_infer_request().infer, image)
    times = take_turns(ways, seconds=seconds)
    return {
        name: {"ms": summary(flat(each)), "of_served": summary(paired(each, times[SERVED])[0])}
        for name, each in times.items()
    }


def _arithmetic(model: ov.Model) -> Iterator[tuple[str, float]]:
    """Operations of every convolution and matrix product, by name: two for a multiplication and its addition."""
    for node in model.get_ordered_ops():
        if node.get_type_name() in ("Convolution", "GroupConvolution"):
            kernel = node.input(1).get_shape()  # [out, in, h, w], or [groups, out, in, h, w]
            yield node.get_friendly_name(), 2.0 * np.prod(node.output(0).get_shape()) * np.prod(kernel[-3:])
        elif node.get_type_name() == "MatMul":
            yield node.get_friendly_name(), 2.0 * np.prod(node.output(0).get_shape()) * node.input(0).get_shape()[-1]


def _profile(
    model: ov.Model, work: dict[str, float], image: np.ndarray, *, calls: int
) -> tuple[list[dict[str, object]], float]:
    compiled = ov.Core().compile_model(model, "CPU", HINTS)
    request = compiled.create_infer_request()
    least: dict[str, float] = {}
    whole = []
    for _ in range(calls):
        began = time.perf_counter()
        request.infer(image)
        whole.append(1000 * (time.perf_counter() - began))
        for layer in request.get_profiling_info():
            took = 1000 * layer.real_time.total_seconds()
            least[layer.node_name] = min(took, least.get(layer.node_name, took))
    layers: Counter[str] = Counter()
    took_by: dict[str, float] = defaultdict(float)
    work_by: dict[str, float] = defaultdict(float)
    for node in compiled.get_runtime_model().get_ordered_ops():
        known = {name: str(value.value) for name, value in node.get_rt_info().items()}
        kind = f"{known['layerType']} {known['primitiveType']}"
        if node.get_friendly_name() in least:
            layers[kind] += 1
            took_by[kind] += least[node.get_friendly_name()]
            work_by[kind] += sum(work.get(name, 0) for name in known["originalLayersNames"].split(","))
    found: list[dict[str, object]] = [
        {
            "kind": kind,
            "layers": layers[kind],
            "ms": round(took, 2),
            "share": round(took / sum(took_by.values()), 3),
            "gflops": round(work_by[kind] / took / 1e6) if work_by[kind] else None,
        }
        for kind, took in sorted(took_by.items(), key=lambda each: -each[1])
        if took > 0.001 * sum(took_by.values())
    ]
    return found, float(np.median(whole))


def _matrix_rate(precision: str, *, products: int) -> float:
    """10^9 operations a second of a 1 x 1 convolution, a product of large matrices, the best of several."""
    image = ops.parameter([1, CHANNELS, SIDE, SIDE], np.float32)
    weights = np.random.default_rng(0).uniform(-1, 1, (CHANNELS, CHANNELS, 1, 1)).astype(np.float32)
    operands = image, ops.constant(weights)
    if precision == "int8":
        operands = _quantised(image, LEVELS + 1, low=0.0), _quantised(operands[1], LEVELS, low=-1.0)
    product = ops.relu(ops.convolution(*operands, [1, 1], [0, 0], [0, 0], [1, 1]))
    request = ov.Core().compile_model(ov.Model([product], [image]), "CPU", HINTS).create_infer_request()
    values = np.random.default_rng(1).uniform(0, 1, (1, CHANNELS, SIDE, SIDE)).astype(np.float32)
    took = []
    for _ in range(products):
        request.infer(values)
        took.append(max(layer.real_time.total_seconds() for layer in request.get_profiling_info()))
    return float(2 * CHANNELS**2 * SIDE**2 / min(took) / 1e9)


def _quantised(node: ov.Node, levels: int, *, low: float) -> ov.Node:
    edges = [np.float32(low), np.float32(1), np.float32(low), np.float32(1)]
    return ops.fake_quantize(node, *(ops.constant(edge) for edge in edges), levels)


if __name__ == "__main__":
    main()
