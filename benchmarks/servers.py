"""python -m benchmarks.servers: what do h11 and bounded connections cost beside httptools?

Two services with the starter, one on each, asked in turn by one and by eight clients: for a prediction, and for a
refusal, which is little more than the parsing of a request. Prints one JSON line: requests per second, and the ratio to
those of httptools in the same round.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness.load_clients import Question, load
from benchmarks.harness.measuring import SERVICE, emit, options, summary
from benchmarks.http import JPEG, UPLOAD
from inference.bundle.storage import open_bundle
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.paths import STARTER
from tests.support.service_process import SERVICE as H11
from tests.support.service_process import running_service

HTTPTOOLS = ("-m", "benchmarks.harness.httptools_service")
WAYS = {"h11": H11, "httptools": HTTPTOOLS}
QUESTIONS = {"prediction": Question("/predict", UPLOAD, JPEG), "refusal": Question("/predict?tta=3", b"", JPEG)}
STATUS = {"prediction": "200", "refusal": "422"}
CLIENTS = (1, 8)
ROUNDS, POINT_SECONDS = 6, 1.5


def main() -> None:
    """Measure and print."""
    given, began = options(__doc__.partition(":")[0]).parse_args(), time.perf_counter()
    rates: dict[tuple[str, int], dict[str, list[float]]] = {}
    with ExitStack() as stack:
        addresses = {}
        for way, program in WAYS.items():
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            Registry(RegistrySettings(home=home)).publish(open_bundle(STARTER), alias="champion", source="benchmark")
            addresses[way] = stack.enter_context(running_service(home, program=program))
        for _ in range(max(2, round(given.share * ROUNDS))):
            for name, question in QUESTIONS.items():
                for clients in CLIENTS:
                    point = rates.setdefault((name, clients), {way: [] for way in WAYS})
                    for way, address in addresses.items():
                        seconds = given.share * POINT_SECONDS
                        point[way].append(_rate(address, question, STATUS[name], clients=clients, seconds=seconds))
    rows = {f"{name}, {clients} clients": _row(point) for (name, clients), point in rates.items()}
    emit("servers", began=began, share=given.share, packages=(*SERVICE, "h11", "httptools"), rows=rows)


def _rate(address: str, question: Question, status: str, *, clients: int, seconds: float) -> float:
    began = time.perf_counter()
    found = load(address, question, clients=clients, seconds=seconds)
    if status == "200":
        return found.per_second
    return found.errors[status] / (time.perf_counter() - began)


def _row(point: dict[str, list[float]]) -> dict[str, object]:
    ratios = [ours / theirs for ours, theirs in zip(point["h11"], point["httptools"], strict=True)]
    rows = {way: summary(rates) for way, rates in point.items()}
    return {**rows, "h11_of_httptools": summary(ratios)}


if __name__ == "__main__":
    main()
