"""Adds an int8 graph to a bundle: made from the fp32 graph, compared with it, and kept only if it passes the gate."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

from inference.bundle.manifest import Graph
from inference.bundle.precision_records import GraphComparison, Quantisation
from inference.bundle.replacement import check_target, replace_bundle
from inference.bundle.storage import Bundle, open_bundle
from inference.domain.graph_names import OPENVINO_FP32, OPENVINO_INT8
from inference.runtimes import GoldenMismatch, Runtime, RuntimeUnavailable, open_runtime, verify_golden_cases
from training.bundling.reseal import reseal
from training.config import Config
from training.quantisation.calibration_set import CalibrationData, collect_calibration_data
from training.quantisation.gate import BelowGate, EvaluationSet, compare_runtimes, find_faults
from training.quantisation.nncf_quantiser import DEPTHWISE, quantise_graph

# Tolerance of a golden probability: MARGIN times the difference measured on this machine, because other processors
# round differently, between the two limits.
MIN_TOLERANCE, MAX_TOLERANCE, MARGIN = 0.01, 0.99, 2.0

log = logging.getLogger(__name__)


def quantise(folder: Path, *, data: Path, ungated: bool = False) -> Bundle:
    """Add the graph openvino-int8 to the bundle in `folder`, which is replaced whole or not at all.

    `ungated` skips the comparison and the gate, and is recorded in the manifest. Raises BelowGate; InvalidConfig if the
    bundle is untrained and `ungated` is False, or if it holds no configuration; InvalidDataset; and what replace_bundle
    raises.
    """
    check_target(folder)
    bundle = open_bundle(folder)
    load = collect_calibration_data(bundle, data, ungated=ungated)

    def write(staging: Path) -> None:
        shutil.copytree(folder, staging, dirs_exist_ok=True)
        make_int8(staging, bundle, load)

    return replace_bundle(folder, write, successor_of=bundle)


def quantise_if_asked(bundle: Bundle, config: Config, *, data: Path) -> Bundle:
    """Quantise if the configuration lists openvino-int8. Returns `bundle` itself otherwise and below the gate."""
    if OPENVINO_INT8 not in config.graphs:
        return bundle
    try:
        return quantise(bundle.path, data=data)
    except BelowGate as error:
        log.warning("the bundle gets no int8 graph: %s", error)
        return bundle


def make_int8(staging: Path, bundle: Bundle, load: CalibrationData) -> Bundle:
    """Write the first int8 graph that passes the gate into `staging`, a copy of the bundle. Raises BelowGate."""
    reasons: list[str] = []
    for method, write_graph in _ways(bundle, load):
        log.info("quantising: %s, ranges from %s", method, load.calibration)
        write_graph(staging / f"graphs/{OPENVINO_INT8}.xml")
        trial = _seal(staging, bundle, load, method=method, tolerance=MAX_TOLERANCE)
        try:
            int8 = open_runtime(trial, name="openvino", precision="int8")
        except (RuntimeUnavailable, GoldenMismatch) as error:
            reasons.append(f"{method}: {error}")
            log.warning("%s", reasons[-1])
            continue
        missed = verify_golden_cases(int8, trial)
        comparison = _compare(bundle, int8, load.evaluation) if load.evaluation else None
        faults = find_faults(comparison, missed=missed) if comparison else ()
        if not faults:
            return _seal(staging, bundle, load, method=method, tolerance=tolerance_of(missed), comparison=comparison)
        reasons.append(f"{method}: {'; '.join(faults)}.")
        log.warning("%s", reasons[-1])
    raise BelowGate("The int8 graph", " ".join(reasons), unchanged=bundle.path)


def tolerance_of(missed: float) -> float:
    """The tolerance of a golden probability, from the largest difference on this machine."""
    return min(max(MIN_TOLERANCE, MARGIN * missed), MAX_TOLERANCE)


def _compare(bundle: Bundle, int8: Runtime, evaluation: EvaluationSet) -> GraphComparison:
    fp32 = open_runtime(bundle, name="openvino", precision="fp32")
    comparison = compare_runtimes(fp32, int8, evaluation)
    for graph, numbers in comparison.graphs.items():
        log.info("%s %s", graph, " ".join(f"{name} {value:.4f}" for name, value in numbers.model_dump().items()))
    log.info("same class %.4f; heat maps: %r", comparison.same_class, comparison.heat_maps)
    return comparison


def _ways(bundle: Bundle, load: CalibrationData) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Quantisation methods by name, the one with the fastest graph first, each with a function that writes its graph.

    The second keeps depthwise convolutions in fp32: they cost little time, and with one filter a channel their ranges
    differ most.
    """
    import openvino as ov

    source = str(bundle.path / bundle.manifest.graphs[OPENVINO_FP32].path)

    def make(path: Path, kept: tuple[str, ...]) -> None:
        graph = quantise_graph(ov.Core().read_model(source), load.images, kept=kept)
        ov.save_model(graph, path, compress_to_fp16=False)

    yield "post-training quantisation", partial(make, kept=())
    yield "post-training quantisation, depthwise convolutions in fp32", partial(make, kept=(DEPTHWISE,))


def _seal(
    staging: Path,
    bundle: Bundle,
    load: CalibrationData,
    *,
    method: str,
    tolerance: float,
    comparison: GraphComparison | None = None,
) -> Bundle:
    """Write and open the bundle with the int8 graph that lies in `staging`."""
    graph = Graph(path=f"graphs/{OPENVINO_INT8}.xml", precision="int8", tolerance=tolerance)
    quantisation = Quantisation(
        method=method,
        calibration=load.calibration,
        gated=comparison is not None,
        comparison=comparison,
        bytes={name: (staging / f"graphs/{name}.bin").stat().st_size for name in (OPENVINO_FP32, OPENVINO_INT8)},
    )
    draft = bundle.manifest.replaced(
        graphs=bundle.manifest.graphs | {OPENVINO_INT8: graph},
        packages=bundle.manifest.packages | {"nncf": version("nncf")},
        quantisation=quantisation,
    )
    return reseal(staging, draft, of=bundle)
