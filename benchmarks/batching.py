"""python -m benchmarks.batching: which batch size and which wait serve the most requests?

The service with the starter, once for each pair of LUNAR_BATCH_SIZE and LUNAR_BATCH_WAIT_MS, all at the same time and
asked in turn by one, two and eight clients. Prints one JSON line: requests per second, and their ratio to those of the
default in the same round.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.harness.load_clients import Question, load
from benchmarks.harness.measuring import SERVICE, emit, options, summary
from benchmarks.http import JPEG, UPLOAD
from inference.bundle.storage import open_bundle
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.paths import STARTER
from tests.support.service_process import running_service

DEFAULT = "up to 2, wait 2 ms"
WAYS: dict[str, dict[str, Any]] = {
    "one by one": {"batch_size": "1"},
    "up to 2, no wait": {"batch_size": "2", "batch_wait_ms": "0"},
    DEFAULT: {},
    "up to 2, wait 5 ms": {"batch_size": "2", "batch_wait_ms": "5"},
    "up to 2, wait 20 ms": {"batch_size": "2", "batch_wait_ms": "20"},
    "up to 8, wait 2 ms": {"batch_size": "8", "batch_wait_ms": "2"},
}
CLIENTS = (1, 2, 8)
ROUNDS, POINT_SECONDS = 3, 0.8


def main() -> None:
    """Measure and print."""
    given, began = options(__doc__.partition(":")[0]).parse_args(), time.perf_counter()
    bundle = open_bundle(STARTER)
    rates: dict[str, dict[int, list[float]]] = {way: {clients: [] for clients in CLIENTS} for way in WAYS}
    with ExitStack() as stack:
        addresses = {}
        for way, settings in WAYS.items():
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            Registry(RegistrySettings(home=home)).publish(bundle, alias="champion", source="benchmark")
            addresses[way] = stack.enter_context(running_service(home, **settings))
        ask = Question("/predict", UPLOAD, JPEG)
        for _ in range(max(2, round(given.share * ROUNDS))):
            for clients in CLIENTS:
                for way, address in addresses.items():
                    found = load(address, ask, clients=clients, seconds=given.share * POINT_SECONDS)
                    rates[way][clients].append(found.per_second)
    emit("batching", began=began, share=given.share, packages=SERVICE, ways={way: _rows(rates, way) for way in WAYS})


def _rows(rates: dict[str, dict[int, list[float]]], way: str) -> dict[str, object]:
    def row(clients: int) -> dict[str, object]:
        own, base = rates[way][clients], rates[DEFAULT][clients]
        ratios = [one / other for one, other in zip(own, base, strict=True)]
        return {"per_second": summary(own), "of_default": summary(ratios)}

    return {str(clients): row(clients) for clients in CLIENTS}


if __name__ == "__main__":
    main()
