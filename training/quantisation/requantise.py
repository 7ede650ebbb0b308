"""Makes int8, and measures bf16, again for a bundle that is being refitted, before it replaces the earlier one."""

from __future__ import annotations

from pathlib import Path

from inference.bundle.manifest import Manifest
from inference.bundle.storage import Bundle, open_bundle
from inference.domain.graph_names import OPENVINO_INT8
from inference.runtimes import RuntimeUnavailable
from training.bundling.reseal import reseal
from training.quantisation.bfloat16 import add_bfloat16, collect_evaluation
from training.quantisation.calibration_set import collect_calibration_data
from training.quantisation.gate import BelowGate
from training.quantisation.quantise import make_int8


def requantise(staging: Path, *, before: Manifest, data: Path) -> tuple[str, ...]:
    """Add to the bundle in `staging` the int8 graph and `bfloat16` that the bundle had `before`.

    Returns a sentence for each that it has no more: below the gate, or on a processor without bf16. Raises what
    quantise and allow_bfloat16 raise otherwise; `staging` then holds no whole bundle.
    """
    lost = []
    if before.quantisation:
        bundle = open_bundle(staging)
        load = collect_calibration_data(bundle, data, ungated=not before.quantisation.gated)
        try:
            make_int8(staging, bundle, load)
        except BelowGate as error:
            _undo(staging, bundle)
            lost.append(f"The bundle has no int8 graph any more. {error.cause}")
    if before.bfloat16:
        bundle = open_bundle(staging)
        evaluation = collect_evaluation(bundle, data, ungated=not before.bfloat16.gated)
        try:
            add_bfloat16(staging, bundle, evaluation)
        except (BelowGate, RuntimeUnavailable) as error:
            _undo(staging, bundle)
            cause = error.cause if isinstance(error, BelowGate) else error
            lost.append(f"The bundle is not served in bf16 any more. {cause}")
    return tuple(lost)


def _undo(staging: Path, bundle: Bundle) -> None:
    """Make of `staging` what it was as `bundle` was opened there."""
    if OPENVINO_INT8 not in bundle.manifest.graphs:
        for path in staging.glob(f"graphs/{OPENVINO_INT8}.*"):
            path.unlink()
    reseal(staging, bundle.manifest.replaced(), of=bundle)
