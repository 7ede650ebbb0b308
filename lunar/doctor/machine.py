"""The processor and the disk."""

import os
import platform
import shutil
from pathlib import Path

from inference.registry.mlflow_registry import MAX_BUNDLE_BYTES
from inference.runtimes.cpu_features import CPUINFO, sums_int8_exactly
from lunar.doctor.check_result import CheckResult

_SHOWN_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "avx512_bf16", "amx_bf16")


def processor() -> CheckResult:
    """Its name, its cores, and the instructions that decide speed and precision."""
    try:
        text = CPUINFO.read_text(encoding="ascii", errors="replace")
    except OSError:
        text = ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    values = {name.strip(): value.strip() for name, value in fields.items()}
    flags = [flag for flag in _SHOWN_FLAGS if flag in values.get("flags", "").split()]
    cores = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores"
    words = f"{values.get('model name', platform.machine())}, {cores}, {', '.join(flags) or 'no known extensions'}"
    if "avx2" not in flags:
        return CheckResult("processor", "warning", f"{words}; without AVX2 it will be slow")
    exact = "sums int8 exactly" if sums_int8_exactly() else "does not sum int8 exactly, so fp32 is used"
    return CheckResult("processor", "ok", f"{words}; {exact}")


def disk(home: Path) -> CheckResult:
    """Free space where the registry and the cache are."""
    try:
        whole = home.resolve()
        place = next(folder for folder in (whole, *whole.parents) if folder.exists())
        free = shutil.disk_usage(place).free
    except (OSError, RuntimeError) as error:  # a folder that may not be entered, a circle of links
        return CheckResult("disk", "failed", f"LUNAR_HOME cannot be used: {error}")
    if not place.is_dir():
        return CheckResult("disk", "failed", f"LUNAR_HOME cannot be used: {place} is no folder")
    words = f"{free / 1e9:.1f} GB free at {place}"
    if not os.access(place, os.W_OK):
        return CheckResult("disk", "failed", f"{place} cannot be written")
    if free < MAX_BUNDLE_BYTES:
        return CheckResult("disk", "warning", f"{words}; a bundle may have {MAX_BUNDLE_BYTES / 1e9:.0f} GB")
    return CheckResult("disk", "ok", words)
