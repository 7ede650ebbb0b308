"""python -m benchmarks.registry_trouble: latency during an outage of the registry and during swaps of the model.

The starter on a real MLflow server. One client asks /predict without pause, in rounds that alternate between three
conditions: quiet, a frozen registry (it keeps its connections and says nothing), and a swap of the model in each half
second. Prints one JSON line: median and 95th percentile of the latency, and the ratio of the medians to the quiet one,
round by round.
"""

import argparse
import json
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path

import httpx2
import numpy as np

from inference.bundle.storage import open_bundle
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.lesion_images import lesion
from tests.support.mlflow_server import MlflowServer
from tests.support.paths import STARTER
from tests.support.service_process import running_service
from tests.support.variants import variant

ROUNDS = 7
ROUND_S = 4.0
SWAP_EVERY_S = 0.5

Condition = Callable[[], AbstractContextManager[None]]


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(_measure(Path(folder))))


def _measure(folder: Path) -> dict[str, object]:
    server = MlflowServer(folder)
    server.start()
    registry = Registry(RegistrySettings(home=folder / "publisher", tracking_uri=server.address))
    for temperature in (1.0, 2.0):
        bundle = variant(open_bundle(STARTER), folder / str(temperature), temperature=temperature)
        registry.publish(bundle, alias="champion", source="benchmark")
    (folder / "home").mkdir()
    try:
        with running_service(folder / "home", tracking_uri=server.address, registry_poll_s="1") as address:
            conditions: dict[str, Condition] = {
                "quiet": nullcontext,
                "frozen": lambda: _frozen(server),
                "swapping": lambda: _swapping(registry, address),
            }
            return _report(_rounds(address, conditions))
    finally:
        server.stop()


def _rounds(address: str, conditions: dict[str, Condition]) -> dict[str, list[list[float]]]:
    """Milliseconds of every request, by condition and round."""
    found: dict[str, list[list[float]]] = {name: [] for name in conditions}
    image = lesion(width=600, height=450)
    with httpx2.Client(timeout=60) as client:

        def ask() -> float:
            began = time.perf_counter()
            client.post(f"{address}/predict", content=image).raise_for_status()
            return (time.perf_counter() - began) * 1000

        for _ in range(20):
            ask()
        for _ in range(ROUNDS):
            for name, condition in conditions.items():
                with condition():
                    end = time.monotonic() + ROUND_S
                    times = []
                    while time.monotonic() < end:
                        times.append(ask())
                found[name].append(times)
    return found


@contextmanager
def _frozen(server: MlflowServer) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()
        time.sleep(12)  # what the service asked meanwhile is answered or given up before the next round


@contextmanager
def _swapping(registry: Registry, address: str) -> Iterator[None]:
    stop = threading.Event()

    def swap() -> None:
        number = 0
        while not stop.wait(SWAP_EVERY_S):
            registry.move_alias("champion", "12"[number % 2])
            httpx2.post(f"{address}/admin/reload", timeout=60).raise_for_status()
            number += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _report(found: dict[str, list[list[float]]]) -> dict[str, object]:
    medians = {name: [statistics.median(times) for times in rounds] for name, rounds in found.items()}
    ratios = {
        name: [round(mine / quiet, 2) for mine, quiet in zip(values, medians["quiet"], strict=True)]
        for name, values in medians.items()
        if name != "quiet"
    }
    return {
        "benchmark": "registry_trouble",
        "requests": {name: sum(map(len, rounds)) for name, rounds in found.items()},
        "milliseconds": {
            name: {
                "p50": round(float(np.percentile(np.concatenate(rounds), 50)), 1),
                "p95": round(float(np.percentile(np.concatenate(rounds), 95)), 1),
            }
            for name, rounds in found.items()
        },
        "ratio_to_quiet": {
            name: {"median": statistics.median(values), "spread": [min(values), max(values)]}
            for name, values in ratios.items()
        },
        "versions": {name: version(name) for name in ("openvino", "mlflow", "uvicorn")},
        "machine": platform.machine(),
    }


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
