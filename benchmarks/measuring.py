"""What the benchmarks of speed do alike: take turns, sum up, and print one JSON line that says on which machine.

Every one of them has `--share`: the part of its full durations that it takes. A share of 0.02 shows that it works and
measures nothing.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")  # what decides the speed of a model
PACKAGES = ("openvino", "numpy", "opencv-python-headless")
SERVICE = (*PACKAGES, "pillow", "fastapi", "pydantic", "uvicorn", "mlflow-skinny")  # what a request goes through


def options(about: str) -> argparse.ArgumentParser:
    """A command line with --share and --bundle."""
    from benchmarks.models import V2M

    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--share", type=float, default=1.0, help="part of the full durations; 1 is what is published")
    parser.add_argument("--bundle", type=Path, default=V2M, help="instead of the EfficientNetV2M of benchmarks.models")
    return parser


def take_turns(
    ways: Mapping[str, Callable[[], object]], *, seconds: float, settle: int = 1, calls: int = 2
) -> dict[str, list[list[float]]]:
    """Milliseconds of each way: [round][call].

    Round by round every way has its turn, so that a disturbance of the machine meets all of them: `settle` calls that
    are not timed, because the way before has left other threads awake and other data in the caches, then `calls`.
    At least two rounds; no round begins after `seconds`.
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


def machine() -> dict[str, object]:
    """What the numbers were taken on."""
    cpu = Path("/proc/cpuinfo").read_text()
    known = dict(line.split(":", 1) for line in cpu.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in known.items()}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": fields.get("model name", platform.machine()),
        "flags": [flag for flag in FLAGS if flag in fields.get("flags", "").split()],
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
