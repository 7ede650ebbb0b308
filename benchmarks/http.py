"""python -m benchmarks.http: overhead of the service around its model, and throughput with many clients.

The real service in a process of its own, on a sqlite registry, with the starter and with EfficientNetV2M in every
precision; uploads are JPEGs of 600 x 450. With one client the requests take turns with the bare runtime call in this
process, so that ratios and differences are those of the same seconds; with eight clients /predict takes turns with
everything that OpenVINO alone offers for throughput. One JSON line.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import openvino_baseline
from benchmarks.harness.bundles import about, served
from benchmarks.harness.load_clients import Answers, Question, asking, load
from benchmarks.harness.measuring import SERVICE, emit, flat, options, paired, summary, take_turns
from inference.bundle.storage import Bundle
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.lesion_images import lesion
from tests.support.service_process import running_service

UPLOAD = lesion(width=600, height=450, quality=92)
JPEG = {"Content-Type": "image/jpeg"}
ROUTES = ("/predict", "/explain?render=heatmap", "/explain", "/explain?target=all&render=heatmap")
BARE = "runtime call"
CLIENTS, CROWDED_ROUTES, CROWD = (2, 8, 32), ("/predict", "/explain"), 8
# One client, all routes together: about ten rounds; then one point of more clients.
ALONE_SECONDS = {"starter": 12.0, "V2M fp32": 40.0, "V2M bf16": 25.0, "V2M int8": 25.0}
POINT_SECONDS = {"starter": 1.5, "V2M fp32": 3.0, "V2M bf16": 2.0, "V2M int8": 2.0}
CROWD_ROUNDS = 3


def main() -> None:
    """Measure and print."""
    parser = options(__doc__.partition(":")[0])
    parser.add_argument("--only", help="starter, V2M fp32, V2M bf16 or V2M int8")
    given, began = parser.parse_args(), time.perf_counter()
    bundles = served(given.bundle, only=given.only)
    found = {name: measure(name, *each, share=given.share) for name, each in bundles.items()}
    emit("http", began=began, share=given.share, packages=SERVICE, upload_bytes=len(UPLOAD), models=found)


def measure(name: str, bundle: Bundle, precision: str, *, share: float) -> dict[str, Any]:
    """Everything about one model."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        Registry(RegistrySettings(home=home)).publish(bundle, alias="champion", source="benchmark")
        with running_service(home, precision=precision) as address:
            return {
                "model": about(bundle),
                "one_client": one_client(address, bundle, precision, seconds=share * ALONE_SECONDS[name]),
                "eight_and_bare": crowd(address, bundle, precision, seconds=share * POINT_SECONDS[name]),
                "clients": {
                    str(clients): {
                        route: _load(address, route, clients, share * POINT_SECONDS[name]).row()
                        for route in CROWDED_ROUTES
                    }
                    for clients in CLIENTS
                },
            }


def one_client(address: str, bundle: Bundle, precision: str, *, seconds: float) -> dict[str, Any]:
    """Every route and the bare call, taking turns: milliseconds, and what a route is above the others."""
    ways: dict[str, openvino_baseline.Call] = {BARE: openvino_baseline.one(bundle, precision)}
    ways |= {route: asking(address, Question(route, UPLOAD, JPEG)) for route in ROUTES}
    times = take_turns(ways, seconds=seconds, calls=4)
    rows: dict[str, Any] = {name: summary(flat(each)) for name, each in times.items()}
    for route in ROUTES:
        ratios, above = paired(times[route], times[BARE])
        rows[route] |= {"of_runtime_call": summary(ratios), "above_runtime_call": summary(above)}
        rows[route] |= {"above_predict": summary(paired(times[route], times["/predict"])[1])}
    return rows


def crowd(address: str, bundle: Bundle, precision: str, *, seconds: float) -> dict[str, Any]:
    """/predict with eight clients and OpenVINO alone, taking turns: images a second."""
    ways = openvino_baseline.rates(bundle, precision)
    answers: list[Answers] = []
    alone: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(CROWD_ROUNDS):
        answers.append(_load(address, "/predict", CROWD, seconds))
        for name, (call, images) in ways.items():
            times = take_turns({name: call}, seconds=seconds / 2, settle=0, calls=1)[name]
            alone[name].append(1000 * images / float(np.median(flat(times))))
    best = max(alone, key=lambda name: float(np.median(alone[name])))
    rates = [each.per_second for each in answers]
    p99 = float(np.percentile([one for each in answers for one in each.milliseconds], 99))
    return {
        "per_second": summary(rates),
        "p99": round(p99, 2),
        "p99_of_fair": round(p99 / (1000 * CROWD / float(np.median(rates))), 3),
        "runtime_per_second": {name: summary(each) for name, each in alone.items()},
        "best": best,
        "of_best": summary([one / other for one, other in zip(rates, alone[best], strict=True)]),
        "errors": [each.errors for each in answers if each.errors],
    }


def _load(address: str, route: str, clients: int, seconds: float) -> Answers:
    return load(address, Question(route, UPLOAD, JPEG), clients=clients, seconds=seconds)


if __name__ == "__main__":
    main()
