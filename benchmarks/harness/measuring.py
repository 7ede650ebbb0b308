"""Shared parts of the benchmarks of speed: alternating measurements, summaries, and a JSON line with the machine.

Each has the option `--share`, a factor on all durations. A share of 0.02 tests the script; its numbers mean nothing.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.paths import ROOT

V2M_BUNDLE = ROOT / ".bench" / "v2m"  # what benchmarks.harness.bundles makes
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")  # what decides the speed of a model
# The variable by which OpenVINO computes as on an older processor, together with ONEDNN_MAX_CPU_ISA: docs/testing.md.
CAP = "OV_CPU_MAX_ISA"
CAPPED_FLAGS = {
    "AVX2": ("avx2",),
    "AVX512_CORE": ("avx2", "avx512f"),
    "AVX512_CORE_VNNI": ("avx2", "avx512f", "avx512_vnni"),
}
PACKAGES = ("openvino", "numpy", "opencv-python-headless")
SERVICE = (*PACKAGES, "pillow", "fastapi", "pydantic", "uvicorn", "mlflow-skinny")  # what a request goes through


def options(about: str) -> argparse.ArgumentParser:
    """A command line with --share and --bundle."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--share", type=float, default=1.0, help="part of the full durations; 1 is what is published")
    parser.add_argument(
        "--bundle", type=Path, default=V2M_BUNDLE, help="instead of the EfficientNetV2M of benchmarks.harness.bundles"
    )
    return parser


def take_turns(
    ways: Mapping[str, Callable[[], object]], *, seconds: float, settle: int = 1, calls: int = 2
) -> dict[str, list[list[float]]]:
    """Milliseconds of each way: [round][call].

    Each way is called in each round, so that a disturbance of the machine affects all of them. `settle` calls are not
    timed, because the way before it leaves other threads running and other data in the caches; `calls` are timed.
    There are at least two rounds, and none begins after `seconds`.
    """
    times: dict[str, list[list[float]]] = {name: [] for name in ways}
    began, rounds = time.perf_counter(), 0
    while rounds < 2 or time.perf_counter() - began < seconds:
        for name, way in ways.items():
            for _ in range(settle):
                way()
            times[name].append([_milliseconds(way) for _ in range(calls)])
        rounds += 1
    return times


def _milliseconds(way: Callable[[], object]) -> float:
    began = time.perf_counter()
    way()
    return 1000 * (time.perf_counter() - began)


def flat(rounds: Sequence[Sequence[float]]) -> list[float]:
    """All calls of all rounds."""
    return [one for each in rounds for one in each]


def paired(rounds: Sequence[Sequence[float]], base: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    """Round by round the medians' ratio to those of `base`, and their difference."""
    ours, theirs = np.array([np.median(one) for one in rounds]), np.array([np.median(one) for one in base])
    return list(ours / theirs), list(ours - theirs)


def summary(values: Sequence[float]) -> dict[str, object]:
    """Median, 99th percentile, spread (least and largest) and how many there are."""
    low, high = min(values), max(values)
    return {
        "median": round(float(np.median(values)), 3),
        "p99": round(float(np.percentile(values, 99)), 3),
        "spread": [round(float(low), 3), round(float(high), 3)],
        "n": len(values),
    }


def machine() -> dict[str, Any]:
    """Processor, memory and Python of this machine. A cap on OpenVINO counts: flags beyond it are left out."""
    cpu = Path("/proc/cpuinfo").read_text()
    known = dict(line.split(":", 1) for line in cpu.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in known.items()}
    cap = os.environ.get(CAP, "")
    present = fields.get("flags", "").split()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": fields.get("model name", platform.machine()) + (f", capped by {CAP}={cap}" if cap else ""),
        "flags": [flag for flag in FLAGS if flag in present and flag in CAPPED_FLAGS.get(cap, FLAGS)],
        "memory_gb": round(memory),
        "python": platform.python_version(),
    }


def emit(benchmark: str, *, began: float, share: float, packages: Sequence[str] = PACKAGES, **found: object) -> None:
    """Print the JSON line. `began`: time.perf_counter() at the start; `packages`: those whose versions matter."""
    about = {
        "benchmark": benchmark,
        "machine": machine(),
        "versions": {name: version(name) for name in packages},
        "load_15_minutes": round(os.getloadavg()[2], 2),
        "share": share,
        "seconds": round(time.perf_counter() - began),
    }
    print(json.dumps(about | found), flush=True)
