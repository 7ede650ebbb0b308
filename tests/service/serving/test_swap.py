"""Twenty swaps under load: no request fails, no answer mixes versions, and the old models' memory is given back."""

import threading
from pathlib import Path

from inference.bundle.storage import Bundle
from inference.registry.mlflow_registry import Registry
from tests.support import http
from tests.support.lesion_images import lesion
from tests.support.service_process import service_process
from tests.support.variants import variant
from tests.support.waiting import wait_for

ROUNDING = 1e-5
CLIENTS, SWAPS = 8, 20
GROWTH_MB = 100  # one model more would be 120: weights, compiled graph, buffers; ten swaps leave ten


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _differ(probabilities: dict[str, float], expected: list[float]) -> bool:
    """By more than rounding: an image alone and one of several are computed in another order (decision 7)."""
    return max(abs(one - other) for one, other in zip(probabilities.values(), expected, strict=True)) > ROUNDING


def test_swaps_under_load(starter: Bundle, registry: Registry, tmp_path: Path) -> None:
    image = lesion(width=300, height=225)
    for number, temperature in enumerate((1.0, 2.0)):
        bundle = variant(starter, tmp_path / str(number), temperature=temperature)
        registry.publish(bundle, alias="champion", source="test")

    with service_process(registry.home, registry_poll_s="600") as (address, process):
        known: dict[str, list[float]] = {}

        def learn() -> None:
            answer = http.post(f"{address}/predict", content=image).json()
            known[answer["model"]["version"]] = list(answer["probabilities"].values())

        def swap_to(version: str) -> None:
            registry.move_alias("champion", version)
            answer = http.post(f"{address}/admin/reload")
            assert (answer.status_code, answer.json()["outcome"]) == (200, "swapped"), answer.text
            assert answer.json()["model"]["version"] == version

        learn()
        swap_to("1")
        learn()
        assert max(abs(one - other) for one, other in zip(*known.values(), strict=True)) > 1000 * ROUNDING

        stop = threading.Event()
        wrong: list[str] = []
        served = dict.fromkeys(known, 0)

        def call() -> None:
            with http.Client() as client:
                while not stop.is_set():
                    response = client.post(f"{address}/predict", content=image)
                    version = response.json().get("model", {}).get("version")
                    if response.status_code != 200 or _differ(response.json()["probabilities"], known[version]):
                        wrong.append(response.text)
                        return
                    served[version] += 1

        clients = [threading.Thread(target=call) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        held: list[float] = []  # after each swap
        try:
            for number in range(SWAPS):
                version = "12"[(number + 1) % 2]
                before = served[version]
                swap_to(version)
                wait_for(lambda before=before, version=version: wrong or served[version] > before, "an answer of it")
                held.append(resident_mb(process.pid))
        finally:
            stop.set()
            for client in clients:
                client.join()
        assert not wrong, wrong[0]
        assert min(served.values()) >= SWAPS // 2, served
        # The least of some readings: while a model is being replaced, both are there.
        most = min(held[SWAPS // 4 : SWAPS // 2]) + GROWTH_MB
        wait_for(lambda: resident_mb(process.pid) < most, f"the service holds less than {most:.0f} MB again: {held}")
