"""python -m benchmarks.startup: how long after its start is the service ready, and how much memory does it keep?

`python -m service` on a sqlite registry, with the starter and with EfficientNetV2M in every precision. Seconds from the
start of the process to /health/ready and to the first answer: the first time, when the bundle comes out of the
registry, and then again from the cache; resident memory after 50 predictions. One JSON line.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness.bundles import about, served
from benchmarks.harness.footprint import Footprint
from benchmarks.harness.load_clients import Question, asking
from benchmarks.harness.measuring import SERVICE, emit, options, summary
from benchmarks.http import JPEG, UPLOAD
from inference.bundle.storage import Bundle
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.service_process import service_process

STARTS, REQUESTS = 4, 50


def main() -> None:
    """Measure and print."""
    parser = options(__doc__.partition(":")[0])
    parser.add_argument("--only", help="starter, V2M fp32, V2M bf16 or V2M int8")
    given, began = parser.parse_args(), time.perf_counter()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it every start compiles the sources again
    bundles = served(given.bundle, only=given.only)
    starts = max(2, round(given.share * STARTS))
    found = {name: measure(*each, starts) for name, each in bundles.items()}
    emit("startup", began=began, share=given.share, packages=SERVICE, models=found)


def measure(bundle: Bundle, precision: str, starts: int) -> dict[str, Any]:
    """Start it again and again; the last process also answers REQUESTS predictions."""
    ready, answered, resident = [], [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        Registry(RegistrySettings(home=home)).publish(bundle, alias="champion", source="benchmark")
        for number in range(starts):
            began = time.perf_counter()
            with service_process(home, precision=precision) as (address, process):
                ready.append(time.perf_counter() - began)
                ask = asking(address, Question("/predict", UPLOAD, JPEG))
                ask()
                answered.append(time.perf_counter() - began)
                if number == starts - 1:
                    for _ in range(REQUESTS - 1):
                        ask()
                    resident = Footprint.of(process.pid).resident_mb
    return {
        "model": about(bundle),
        "first": {"ready": round(ready[0], 2), "answered": round(answered[0], 2)},
        "warm": {"ready": summary(ready[1:]), "answered": summary(answered[1:])},
        "resident_mb": round(resident),
    }


if __name__ == "__main__":
    main()
