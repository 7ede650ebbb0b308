"""python -m benchmarks.peers: speed of other model servers with the same model, measured in the same run.

Each peer is a small file in this folder, written as its documentation suggests. It runs in the environment .venv-peers
with the Keras model; some also run with the OpenVINO graph that Lunar serves, to compare only the servers. Uploads are
JPEGs of 600 x 450; `mlflow models serve` of the Keras flavour gets the prepared pixels as JSON numbers, whose
preparation is not timed. One peer after the other is started, measured with one client and with eight, and stopped;
Lunar is measured before, between and after them. A peer that cannot be installed or started is "skipped" in the
result. Prints one JSON line.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness.bundles import about, opened, precisions
from benchmarks.harness.load_clients import Question, load
from benchmarks.harness.measuring import emit, options
from benchmarks.http import JPEG, UPLOAD
from benchmarks.peers.processes import Skipped, running, versions
from benchmarks.peers.table import Peer, table
from inference.bundle.storage import Bundle
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.service_process import running_service

ONE_SECONDS, EIGHT_SECONDS, EXPLAIN_SECONDS = 3.0, 5.0, 5.0
OURS_ONE_SECONDS, OURS_EIGHT_SECONDS = 3.0, 4.0


def main() -> None:
    """Measure and print."""
    parser = options(__doc__.partition(":")[0])
    parser.add_argument("--only", help="only peers whose name begins so")
    given, began = parser.parse_args(), time.perf_counter()
    bundle = opened(given.bundle)
    peers = [each for each in table(bundle) if each.name.startswith(given.only or "")]
    found: dict[str, Any] = {}
    with ours(bundle) as addresses:
        own: dict[str, list[dict[str, Any]]] = {name: [] for name in addresses}
        for number, peer in enumerate(peers):
            if number in (0, len(peers) // 2):
                ask_ours(addresses, own, share=given.share)
            found[f"{peer.name}, {peer.graph}"] = measure(peer, bundle, share=given.share)
        ask_ours(addresses, own, share=given.share)
    emit(
        "peers",
        began=began,
        share=given.share,
        model=about(bundle),
        peer_versions=versions(),
        ours=own,
        peers=found,
    )


def measure(peer: Peer, bundle: Bundle, *, share: float) -> dict[str, Any]:
    """Rows for one client and for eight, or why there are none."""
    try:
        with running(peer, bundle) as address:
            found = {
                "one": load(address, peer.question, clients=1, seconds=share * ONE_SECONDS).row(),
                "eight": load(address, peer.question, clients=8, seconds=share * EIGHT_SECONDS).row(),
            }
            if peer.explain:
                found["explain"] = load(address, peer.explain, clients=1, seconds=share * EXPLAIN_SECONDS).row()
            return found | {"request_bytes": len(peer.question.body)}
    except Skipped as reason:
        return {"skipped": str(reason)}


@contextmanager
def ours(bundle: Bundle) -> Iterator[dict[str, str]]:
    """Lunar with the bundle in each precision; yields the addresses."""
    with ExitStack() as stack:
        addresses = {}
        for precision in precisions(bundle):
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            Registry(RegistrySettings(home=home)).publish(bundle, alias="champion", source="benchmark")
            addresses[f"Lunar {precision}"] = stack.enter_context(running_service(home, precision=precision))
        yield addresses


def ask_ours(addresses: dict[str, str], found: dict[str, list[dict[str, Any]]], *, share: float) -> None:
    """One more round of Lunar's own rows."""
    for name, address in addresses.items():
        ask = Question("/predict", UPLOAD, JPEG)
        explain = Question("/explain?render=heatmap", UPLOAD, JPEG)
        found[name].append(
            {
                "one": load(address, ask, clients=1, seconds=share * OURS_ONE_SECONDS).row(),
                "eight": load(address, ask, clients=8, seconds=share * OURS_EIGHT_SECONDS).row(),
                "explain": load(address, explain, clients=1, seconds=share * OURS_ONE_SECONDS).row(),
            }
        )


if __name__ == "__main__":
    main()
