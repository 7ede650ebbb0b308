"""Features of this processor: exact sums of int8 products, and products of bfloat16 numbers."""

import os
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Instruction sets of x86 that sum four int8 products in 32 bits. Older instructions (vpmaddubsw) sum two products in 16
# bits and saturate, so that a graph gives other results than on the machine where it was measured.
EXACT_INT8 = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
# Instruction sets of x86 that multiply bfloat16 numbers. Elsewhere OpenVINO computes in fp32, or converts all the time.
NATIVE_BF16 = frozenset({"avx512_bf16", "amx_bf16"})


def sums_int8_exactly() -> bool:
    """Whether the processor has one of EXACT_INT8; False where /proc/cpuinfo does not tell.

    OpenVINO 2026.4 cannot be asked: its CPU device lists the capability INT8 with and without them.
    """
    return _has_one_of(EXACT_INT8)


def multiplies_bfloat16() -> bool:
    """Whether the processor has one of NATIVE_BF16; False where /proc/cpuinfo does not tell."""
    return _has_one_of(NATIVE_BF16)


def describe_processor() -> tuple[str, ...]:
    """What code that was compiled for this processor depends on: architecture, name, instruction sets, cores."""
    known = dict(line.partition(":")[::2] for line in _lines())
    fields = {name.strip(): value.strip() for name, value in known.items()}
    names = (fields.get(name, "") for name in ("vendor_id", "model name", "flags", "Features"))
    return (platform.machine(), *names, str(os.cpu_count()), os.environ.get("OV_CPU_MAX_ISA", ""))


def _has_one_of(features: frozenset[str]) -> bool:
    return any(features & set(line.partition(":")[2].split()) for line in _lines() if line.startswith("flags"))


def _lines() -> list[str]:
    try:
        return CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
