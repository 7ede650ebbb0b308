"""Give a bundle an int8 graph: made from its fp32 graph, measured beside it, and kept only if it passes the gate."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

from inference.bundle import CARD, Bundle, open_bundle, write
from inference.manifest import Comparison, Graph, Quantisation
from inference.runtimes import GoldenMismatch, Runtime, RuntimeUnavailable, open_runtime, verify
from training.calibration import Material, gather
from training.card import render_card
from training.config import Config
from training.export import replace_folder
from training.fidelity import BelowGate, EvaluationSet, compare_runtimes, find_faults
from training.quantisation import DEPTHWISE, quantise_graph

FP32, INT8 = "openvino-fp32", "openvino-int8"
# Of a golden probability: twice what is missed where the graph is made, since other processors round differently.
TIGHTEST, LOOSEST, MARGIN = 0.01, 0.99, 2.0

log = logging.getLogger(__name__)


def quantise(folder: Path, *, data: Path, ungated: bool = False) -> Bundle:
    """Put `graphs/openvino-int8` into the bundle, which is replaced whole, or not at all.

    `ungated`: whatever it is worth, without measuring; the manifest says so. Raises BelowGate; InvalidConfig if an
    untrained bundle is to pass the gate or the bundle does not say how it was made; InvalidDataset.
    """
    bundle = open_bundle(folder)
    material = gather(bundle, data, ungated=ungated)
    staging = folder.with_name(f".{folder.name}-int8")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        shutil.copytree(folder, staging)
        make_int8(staging, bundle, material)
        replace_folder(folder, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return open_bundle(folder)


def quantise_if_asked(bundle: Bundle, config: Config, *, data: Path) -> Bundle:
    """The end of a run whose configuration lists openvino-int8: without it, if it does not pass the gate."""
    if INT8 not in config.graphs:
        return bundle
    try:
        return quantise(bundle.path, data=data)
    except BelowGate as error:
        log.warning("The bundle gets no int8 graph. %s", error)
        return bundle


def make_int8(staging: Path, bundle: Bundle, material: Material) -> Bundle:
    """Write the first int8 graph that passes the gate into `staging`, a copy of the bundle. Raises BelowGate."""
    reasons: list[str] = []
    for method, make in _ways(bundle, material):
        log.info("%s, ranges from %s", method, material.calibration)
        make(staging / f"graphs/{INT8}.xml")
        draft = _seal(staging, bundle, material, method=method, tolerance=LOOSEST)
        try:
            int8 = open_runtime(draft, name="openvino", precision="int8")
        except (RuntimeUnavailable, GoldenMismatch) as error:
            reasons.append(f"{method}: {error}")
            log.warning("%s", reasons[-1])
            continue
        missed = verify(int8, draft)
        comparison = _compare(bundle, int8, material.evaluation) if material.evaluation else None
        faults = find_faults(comparison, missed=missed) if comparison else ()
        if not faults:
            tolerance = min(max(TIGHTEST, MARGIN * missed), LOOSEST)
            return _seal(staging, bundle, material, method=method, tolerance=tolerance, comparison=comparison)
        reasons.append(f"{method}: {'; '.join(faults)}.")
        log.warning("%s", reasons[-1])
    raise BelowGate(f"The int8 graph does not pass the gate; {bundle.path} stays as it is. {' '.join(reasons)}")


def _compare(bundle: Bundle, int8: Runtime, evaluation: EvaluationSet) -> Comparison:
    fp32 = open_runtime(bundle, name="openvino", precision="fp32")
    comparison = compare_runtimes(fp32, int8, evaluation)
    for graph, numbers in comparison.graphs.items():
        log.info("%s %s", graph, " ".join(f"{name} {value:.4f}" for name, value in numbers.model_dump().items()))
    log.info("same class %.4f; %r", comparison.same_class, comparison.heat_maps)
    return comparison


def _ways(bundle: Bundle, material: Material) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """The fastest first. Depthwise convolutions are cheap, and with a filter a channel their ranges differ most."""
    import openvino as ov

    source = str(bundle.path / bundle.manifest.graphs[FP32].path)

    def make(path: Path, kept: tuple[str, ...]) -> None:
        graph = quantise_graph(ov.Core().read_model(source), material.images, kept=kept)
        ov.save_model(graph, path, compress_to_fp16=False)

    yield "post-training quantisation", partial(make, kept=())
    yield "post-training quantisation, depthwise convolutions in fp32", partial(make, kept=(DEPTHWISE,))


def _seal(
    staging: Path,
    bundle: Bundle,
    material: Material,
    *,
    method: str,
    tolerance: float,
    comparison: Comparison | None = None,
) -> Bundle:
    graph = Graph(path=f"graphs/{INT8}.xml", precision="int8", tolerance=tolerance)
    weights = {name: (staging / f"graphs/{name}.bin").stat().st_size for name in (FP32, INT8)}
    made = Quantisation(
        method=method,
        calibration=material.calibration,
        gated=comparison is not None,
        comparison=comparison,
        bytes=weights,
    )
    content = bundle.manifest.model_dump(mode="json", exclude={"files", "digest"})
    content["graphs"] |= {INT8: graph.model_dump()}
    content["packages"] |= {"nncf": version("nncf")}
    content["quantisation"] = made.model_dump(mode="json")
    trial = bundle.novelty.trial if bundle.novelty else None
    (staging / CARD).write_text(render_card(content, trial=trial), encoding="utf-8")
    return write(staging, description=content, head=bundle.head, golden=bundle.golden)
