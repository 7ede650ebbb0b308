"""python -m benchmarks.precisions: how fast does this processor answer in fp32, bf16 and int8?

EfficientNetV2M with random weights and the starter, each served in every precision that it is allowed in here; one
client and eight clients ask all services in turn. One JSON line: requests a second, and the ratio to fp32 of the same
round.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.harness.bundles import about, opened, precisions
from benchmarks.harness.load_clients import Question, load
from benchmarks.harness.measuring import SERVICE, emit, options, summary
from benchmarks.http import JPEG, UPLOAD
from inference.bundle.storage import Bundle, open_bundle
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.paths import STARTER
from tests.support.service_process import running_service

CLIENTS = (1, 8)
ROUNDS, POINT_SECONDS = 3, {"starter": 1.5, "V2M": 3.0}


def main() -> None:
    """Measure and print."""
    parser = options(__doc__.partition(":")[0])
    parser.add_argument("--only", choices=tuple(POINT_SECONDS), help="measure one of the two")
    given, began = parser.parse_args(), time.perf_counter()
    names = [given.only] if given.only else list(POINT_SECONDS)
    bundles = {name: open_bundle(STARTER) if name == "starter" else opened(given.bundle) for name in names}
    found = {name: measure(bundle, seconds=POINT_SECONDS[name], share=given.share) for name, bundle in bundles.items()}
    emit("precisions", began=began, share=given.share, packages=SERVICE, models=found)


def measure(bundle: Bundle, *, seconds: float, share: float) -> dict[str, Any]:
    """One model in all its precisions."""
    rates: dict[str, dict[int, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        Registry(RegistrySettings(home=home)).publish(bundle, alias="champion", source="benchmark")
        addresses = {each: stack.enter_context(running_service(home, precision=each)) for each in precisions(bundle)}
        for _ in range(max(2, round(share * ROUNDS))):
            for clients in CLIENTS:
                for precision, address in addresses.items():
                    found = load(address, Question("/predict", UPLOAD, JPEG), clients=clients, seconds=share * seconds)
                    rates.setdefault(precision, {}).setdefault(clients, []).append(found.per_second)
    return {
        "model": about(bundle),
        "precisions": {
            precision: {str(clients): _row(each, rates["fp32"][clients]) for clients, each in own.items()}
            for precision, own in rates.items()
        },
    }


def _row(own: list[float], base: list[float]) -> dict[str, Any]:
    ratios = [one / other for one, other in zip(own, base, strict=True)]
    return {"per_second": summary(own), "of_fp32": summary(ratios)}


if __name__ == "__main__":
    main()
