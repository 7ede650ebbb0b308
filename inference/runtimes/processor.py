"""What this processor can do: whether it sums int8 products without losing any."""

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# x86 instructions that sum four products of int8 in 32 bits. Those before them (vpmaddubsw) sum two in 16 bits and
# saturate, so that a graph computes something else than what was measured where it was made.
EXACT = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def sums_int8_exactly() -> bool:
    """Whether the processor has such instructions; False where it does not say so.

    OpenVINO 2026.4 does not tell: its CPU lists the capability INT8 whether it has them or not.
    """
    try:
        lines = CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    return any(EXACT & set(line.partition(":")[2].split()) for line in lines if line.startswith("flags"))
