"""python -m benchmarks.command_line: how long does `python -m inference IMAGE` take for one image, and for how much?

The starter from a local registry, in a process of its own each time. The first call downloads the bundle and compiles
its graph and is left out. One JSON line: seconds by the clock and of processor time.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness.measuring import SERVICE, emit, options, summary
from benchmarks.http import UPLOAD
from inference.bundle.storage import open_bundle
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.paths import ROOT, STARTER

CALLS = 6


def main() -> None:
    """Measure and print."""
    given, began = options(__doc__.partition(":")[0]).parse_args(), time.perf_counter()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it every call compiles the sources again
    seconds, processor = [], []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        Registry(RegistrySettings(home=home)).publish(open_bundle(STARTER), alias="champion", source="benchmark")
        (home / "lesion.jpg").write_bytes(UPLOAD)
        command = [sys.executable, "-m", "inference", str(home / "lesion.jpg")]
        for _ in range(1 + max(2, round(given.share * CALLS))):
            before, started = _processor_seconds(), time.perf_counter()
            subprocess.run(command, cwd=ROOT, env=os.environ | {"LUNAR_HOME": folder}, check=True, capture_output=True)
            seconds.append(time.perf_counter() - started)
            processor.append(_processor_seconds() - before)
    emit(
        "command_line",
        began=began,
        share=given.share,
        packages=SERVICE,
        seconds=summary(seconds[1:]),
        processor_seconds=summary(processor[1:]),
    )


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
