"""python -m benchmarks.replicas: is one service on all cores faster than one replica a core?

The starter (--model V2M: the EfficientNetV2M of benchmarks.harness.bundles, in --precision), served by one process, and
by one process pinned to each core, between which eight clients are divided. They take turns. One JSON line: requests a
second, the ratio of each round to the one process, and the resident memory of all processes of a way.
"""

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.harness.bundles import about, opened
from benchmarks.harness.footprint import Footprint
from benchmarks.harness.load_clients import Question, load
from benchmarks.harness.measuring import SERVICE, emit, options, summary
from benchmarks.http import JPEG, UPLOAD
from inference.bundle.storage import open_bundle
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.paths import STARTER
from tests.support.service_process import service_process

CLIENTS, ROUNDS, SECONDS = 8, 5, 2.0
ONE, PINNED = "one process", "one process a core"


def main() -> None:
    """Measure and print."""
    parser = options(__doc__.partition(":")[0])
    parser.add_argument("--model", choices=("starter", "V2M"), default="starter")
    parser.add_argument("--precision", default="auto")
    given, began = parser.parse_args(), time.perf_counter()
    bundle = open_bundle(STARTER) if given.model == "starter" else opened(given.bundle)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > CLIENTS:
        raise SystemExit(f"{len(cores)} cores, but {CLIENTS} clients; `taskset -c` gives it fewer cores.")
    rates: dict[str, list[float]] = {ONE: [], PINNED: []}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        Registry(RegistrySettings(home=Path(folder))).publish(bundle, alias="champion", source="benchmark")
        serve = partial(service_process, Path(folder), precision=given.precision)
        whole = stack.enter_context(serve())
        pinned = [
            stack.enter_context(serve(program=("-m", "benchmarks.harness.pinned_service", str(core)))) for core in cores
        ]
        ways = {ONE: [whole], PINNED: pinned}
        for _ in range(max(2, round(given.share * ROUNDS))):
            for way, services in ways.items():
                rates[way].append(_rate([address for address, _ in services], seconds=given.share * SECONDS))
        resident = {
            way: round(sum(Footprint.of(process.pid).resident_mb for _, process in services))
            for way, services in ways.items()
        }
    found = {
        way: {
            "per_second": summary(own),
            "of_one_process": summary([one / base for one, base in zip(own, rates[ONE], strict=True)]),
            "resident_mb": resident[way],
        }
        for way, own in rates.items()
    }
    emit("replicas", began=began, share=given.share, packages=SERVICE, model=about(bundle), cores=cores, ways=found)


def _rate(addresses: list[str], *, seconds: float) -> float:
    """Requests a second of all services together, between which the clients are divided."""
    shares = [len(range(first, CLIENTS, len(addresses))) for first in range(len(addresses))]
    with ThreadPoolExecutor(len(addresses)) as pool:
        asked = [
            pool.submit(load, address, Question("/predict", UPLOAD, JPEG), clients=clients, seconds=seconds)
            for address, clients in zip(addresses, shares, strict=True)
        ]
        return sum(each.result().per_second for each in asked)


if __name__ == "__main__":
    main()
