"""python -m benchmarks.streams: what would streams for EfficientNetV2M bring under load, and what do they cost?

The service as it is, which computes one image at a time on all cores, and with a second compiled graph in two streams,
both started on the bundle and asked in turn by one and by eight clients, in int8 (--precision: another one). One JSON
line: seconds to ready from the cache, requests a second, the ratio of each round, and resident memory at the end.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.harness.bundles import about, opened
from benchmarks.harness.footprint import Footprint
from benchmarks.harness.load_clients import Question, load
from benchmarks.harness.measuring import SERVICE, emit, options, summary
from benchmarks.http import JPEG, UPLOAD
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.service_process import SERVICE as AS_IT_IS
from tests.support.service_process import service_process

ONE, STREAMS = "one at a time", "2 streams"
PROGRAMS = {ONE: AS_IT_IS, STREAMS: ("-m", "benchmarks.harness.streamed_service")}
CLIENTS = (1, 8)
ROUNDS, POINT_SECONDS = 5, 4.0


def main() -> None:
    """Measure and print."""
    parser = options(__doc__.partition(":")[0])
    parser.add_argument("--precision", default="int8")
    given, began = parser.parse_args(), time.perf_counter()
    bundle = opened(given.bundle)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        Registry(RegistrySettings(home=home)).publish(bundle, alias="champion", source="benchmark")
        services, ready = {}, {}
        for way, program in PROGRAMS.items():
            with service_process(home, program=program, precision=given.precision):
                pass  # fills the caches
            started = time.perf_counter()
            services[way] = stack.enter_context(service_process(home, program=program, precision=given.precision))
            ready[way] = round(time.perf_counter() - started, 2)
        rates = _take_turns({way: address for way, (address, _) in services.items()}, share=given.share)
        resident = {way: round(Footprint.of(process.pid).resident_mb) for way, (_, process) in services.items()}
    found = {
        way: {"ready_s": ready[way], "resident_mb": resident[way], "clients": _rows(rates, way)} for way in PROGRAMS
    }
    emit("streams", began=began, share=given.share, packages=SERVICE, model=about(bundle), ways=found)


Rates = dict[str, dict[int, list[float]]]


def _take_turns(addresses: dict[str, str], *, share: float) -> Rates:
    rates: Rates = {way: {clients: [] for clients in CLIENTS} for way in addresses}
    for _ in range(max(2, round(share * ROUNDS))):
        for clients in CLIENTS:
            for way, address in addresses.items():
                ask = Question("/predict", UPLOAD, JPEG)
                rates[way][clients].append(
                    load(address, ask, clients=clients, seconds=share * POINT_SECONDS).per_second
                )
    return rates


def _rows(rates: Rates, way: str) -> dict[str, Any]:
    return {
        str(clients): {
            "per_second": summary(own),
            "of_one_at_a_time": summary([one / base for one, base in zip(own, rates[ONE][clients], strict=True)]),
        }
        for clients, own in rates[way].items()
    }


if __name__ == "__main__":
    main()
