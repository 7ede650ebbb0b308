"""python -m benchmarks.ways [ROUNDS]: how many images a second does each way of serving the starter answer here?

A drawn lesion, a JPEG of 600 x 450, by every way in turn, round by round, so that a disturbance of the machine meets
all of them: the service with one client and with eight, two services side by side with eight clients, /invocations and
`mlflow models serve` with single images and in calls of 32, and the Spark example on a folder. Spark is measured as
whole jobs of FEW and of MANY images: the difference is its rate, the rest what a job costs before its first image.
Prints one JSON line a way: median and spread over the rounds, also of the ratio to the first way in the same round.
"""

import argparse
import base64
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import httpx2

from inference.bundle.storage import open_bundle
from inference.registry.__main__ import register_starter
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.lesion_images import lesion
from tests.support.paths import ROOT, STARTER
from tests.support.scoring_server import running_scoring_server
from tests.support.service_process import running_service

ROUNDS, SPARK_EVERY = 15, 5
IMAGES = 64  # a second or so: short turns, so that what disturbs the machine meets every way alike
IMAGE = lesion(width=600, height=450, quality=92)
A_CALL = 32
FEW, MANY = 64, 1024
BASELINE, SPARK = "service, 1 client", "spark local[2], each further image"

Way = Callable[[], float]


def main(rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        home = Path(temporary)
        register_starter(Registry(RegistrySettings(home=home)), open_bundle(STARTER), alias="champion")
        service, other = (stack.enter_context(running_service(home)) for _ in range(2))
        scorer = stack.enter_context(running_scoring_server(home))
        folders = {count: _folder(home, count) for count in (FEW, MANY)}
        ways: dict[str, Way] = {
            BASELINE: lambda: _upload([service], clients=1),
            "service, 8 clients": lambda: _upload([service], clients=8),
            "2 services on this machine, 8 clients": lambda: _upload([service, other], clients=8),
            "service, /invocations of 1": lambda: _invoke(service, a_call=1, clients=1),
            f"service, /invocations of {A_CALL}": lambda: _invoke(service, a_call=A_CALL, clients=1),
            "mlflow models serve, calls of 1": lambda: _invoke(scorer, a_call=1, clients=1),
            "mlflow models serve, calls of 1, 8 clients": lambda: _invoke(scorer, a_call=1, clients=8),
            f"mlflow models serve, calls of {A_CALL}": lambda: _invoke(scorer, a_call=A_CALL, clients=1),
        }
        for way in ways.values():
            way()  # first allocations, connections
        rates: dict[str, list[float]] = {name: [] for name in (*ways, SPARK)}
        starts = []
        for number in range(rounds):
            for name, way in ways.items():
                rates[name].append(way())
            if number % SPARK_EVERY:
                continue
            few, many = _job(home, folders[FEW]), _job(home, folders[MANY])
            rates[SPARK].append((MANY - FEW) / (many - few))
            starts.append(few - FEW / rates[SPARK][-1])
    for name, values in rates.items():
        bases = rates[BASELINE] if name != SPARK else rates[BASELINE][::SPARK_EVERY]
        ratios = [value / base for value, base in zip(values, bases, strict=True)]
        _print(name, "images_per_second", values, ratio=_summary(ratios))
    _print("spark local[2], before the first image", "seconds", starts)


def _upload(addresses: list[str], *, clients: int) -> float:
    """Images a second of POST /predict, image by image, in turn to every address."""
    with httpx2.Client(timeout=120) as client, ThreadPoolExecutor(clients) as pool:

        def ask(number: int) -> None:
            address = addresses[number % len(addresses)]
            client.post(f"{address}/predict", content=IMAGE).raise_for_status()

        began = time.perf_counter()
        list(pool.map(ask, range(IMAGES)))
        return IMAGES / (time.perf_counter() - began)


def _invoke(address: str, *, a_call: int, clients: int) -> float:
    """Images a second of POST /invocations, encoding included."""
    with httpx2.Client(timeout=120) as client, ThreadPoolExecutor(clients) as pool:

        def ask(first: int) -> None:
            cells = [base64.b64encode(IMAGE).decode() for _ in range(first, min(first + a_call, IMAGES))]
            client.post(f"{address}/invocations", json={"inputs": cells}).raise_for_status()

        began = time.perf_counter()
        list(pool.map(ask, range(0, IMAGES, a_call)))
        return IMAGES / (time.perf_counter() - began)


def _folder(home: Path, count: int) -> Path:
    folder = home / f"{count} images"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05}.jpg").write_bytes(IMAGE)
    return folder


def _job(home: Path, folder: Path) -> float:
    command = [str(ROOT / ".venv-spark/bin/python"), str(ROOT / "examples/score_with_spark.py"), "--master", "local[2]"]
    environment = os.environ | {"LUNAR_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
    began = time.perf_counter()
    subprocess.run(
        [*command, str(folder), str(home / "scores")], cwd=home, env=environment, check=True, capture_output=True
    )
    return time.perf_counter() - began


def _summary(values: list[float]) -> dict[str, object]:
    return {"median": round(statistics.median(values), 2), "spread": [round(min(values), 2), round(max(values), 2)]}


def _print(way: str, unit: str, values: list[float], **more: object) -> None:
    about = {"cores": os.cpu_count(), "versions": {name: version(name) for name in ("mlflow", "openvino")}}
    print(json.dumps({"benchmark": "ways", "way": way, unit: _summary(values), **more, **about}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS, metavar="ROUNDS", help=f"default: {ROUNDS}")
    main(parser.parse_args().rounds)
