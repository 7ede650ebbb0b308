"""Measures a bundle's fp32 graph in bfloat16, and allows bf16 in its manifest only if it passes the gate."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from inference.bundle.precision_records import Bfloat16, GraphComparison
from inference.bundle.replacement import check_target, replace_bundle
from inference.bundle.storage import Bundle, open_bundle
from inference.domain.graph_names import OPENVINO_BF16
from inference.runtimes import GoldenMismatch, RuntimeUnavailable, open_runtime, verify_golden_cases
from training.bundling.reseal import reseal
from training.config import Config
from training.quantisation.calibration_set import collect_evaluation_set
from training.quantisation.gate import BelowGate, EvaluationSet, compare_runtimes, find_faults
from training.quantisation.quantise import MAX_TOLERANCE, tolerance_of

log = logging.getLogger(__name__)


def allow_bfloat16(folder: Path, *, data: Path, ungated: bool = False) -> Bundle:
    """Compare bf16 with fp32 on the images and add `bfloat16` to the manifest; the bundle is replaced whole or not.

    `ungated` skips the comparison and the gate, but not the golden cases, and is recorded. Raises BelowGate;
    RuntimeUnavailable if this processor does not compute in bf16; InvalidConfig if the bundle is untrained and
    `ungated` is False; InvalidDataset; and what replace_bundle raises.
    """
    check_target(folder)
    bundle = open_bundle(folder)
    evaluation = collect_evaluation(bundle, data, ungated=ungated)

    def write(staging: Path) -> None:
        shutil.copytree(folder, staging, dirs_exist_ok=True)
        add_bfloat16(staging, bundle, evaluation)

    return replace_bundle(folder, write, successor_of=bundle)


def collect_evaluation(bundle: Bundle, data: Path, *, ungated: bool) -> EvaluationSet | None:
    """The images that bf16 is measured on; none if `ungated`. Raises what collect_evaluation_set raises."""
    return None if ungated else collect_evaluation_set(bundle, data)


def add_bfloat16(staging: Path, bundle: Bundle, evaluation: EvaluationSet | None) -> Bundle:
    """Measure bf16 and add it to the manifest in `staging`, a copy of the bundle.

    Raises BelowGate; RuntimeUnavailable if this processor does not compute in bf16.
    """
    trial = _seal(staging, bundle, tolerance=MAX_TOLERANCE, comparison=None)
    try:
        bf16 = open_runtime(trial, name="openvino", precision="bf16")
    except GoldenMismatch as error:
        raise BelowGate("bf16", str(error), unchanged=bundle.path) from error
    missed = verify_golden_cases(bf16, trial)
    comparison = None
    if evaluation:
        fp32 = open_runtime(trial, name="openvino", precision="fp32")
        comparison = compare_runtimes(fp32, bf16, evaluation)
        log.info("%r", comparison)
        if faults := find_faults(comparison, missed=missed):
            raise BelowGate("bf16", f"{'; '.join(faults)}.", unchanged=bundle.path)
    return _seal(staging, bundle, tolerance=tolerance_of(missed), comparison=comparison)


def allow_if_asked(bundle: Bundle, config: Config, *, data: Path) -> Bundle:
    """Measure bf16 if the configuration lists openvino-bf16.

    Returns `bundle` itself otherwise, below the gate, and on a processor without bf16.
    """
    if OPENVINO_BF16 not in config.graphs:
        return bundle
    try:
        return allow_bfloat16(bundle.path, data=data)
    except (BelowGate, RuntimeUnavailable) as error:
        log.warning("the bundle is not served in bf16: %s", error)
        return bundle


def _seal(staging: Path, bundle: Bundle, *, tolerance: float, comparison: GraphComparison | None) -> Bundle:
    measured = Bfloat16(tolerance=tolerance, gated=comparison is not None, comparison=comparison)
    return reseal(staging, bundle.manifest.replaced(bfloat16=measured), of=bundle)
