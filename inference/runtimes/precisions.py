"""The precisions that are faster than fp32, and what speaks against each of them here."""

from collections.abc import Callable, Mapping

from inference.bundle.manifest import Manifest
from inference.domain.graph_names import OPENVINO_INT8, Precision
from inference.runtimes.cpu_features import multiplies_bfloat16, sums_int8_exactly


def _objection_to_int8(manifest: Manifest) -> str | None:
    if OPENVINO_INT8 not in manifest.graphs:
        return "the bundle has no int8 graph"
    if manifest.quantisation is None or not manifest.quantisation.gated:
        return "the bundle's int8 graph passed no gate"
    if not sums_int8_exactly():
        return "this processor has no int8 dot product instructions (VNNI), and its other instructions may overflow"
    return None


def _objection_to_bf16(manifest: Manifest) -> str | None:
    if manifest.bfloat16 is None:
        return "the bundle was not measured in bf16"
    if not manifest.bfloat16.gated:
        return "the bundle passed no gate in bf16"
    if not multiplies_bfloat16():
        return "this processor has no bf16 instructions (AVX512_BF16, AMX)"
    return None


# "auto" tries them in this order. Each function gives the reason not to try it, as a clause; None if there is none.
FASTER: Mapping[Precision, Callable[[Manifest], str | None]] = {
    "int8": _objection_to_int8,
    "bf16": _objection_to_bf16,
}
# What passed the gate, or fails here, in the reason that is reported.
PASSED: Mapping[Precision, str] = {
    "int8": "the bundle's int8 graph",
    "bf16": "the bundle's fp32 graph in bf16",
}
