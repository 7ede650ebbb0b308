"""python -m benchmarks.peers: the same model, on the same machine, in the same run, behind what others serve with.

Each peer is a small file beside this one, written as its documentation suggests, and runs in an environment of its
own, .venv-peers, with the Keras model; some once more with the OpenVINO graph that Lunar serves, which compares the
framework alone. Uploads are JPEGs of 600 x 450; `mlflow models serve` of the Keras flavour gets the prepared pixels
as JSON numbers, and their making is not counted. Peers are started, asked by one client and by eight, and stopped,
one after the other; Lunar is asked before, between and after them. What does not install or start is in the result as
"skipped". One JSON line.
"""

import base64
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clients import Client, Question, load
from benchmarks.http import JPEG, UPLOAD
from benchmarks.measuring import emit, options
from benchmarks.models import about, opened, precisions
from inference.bundle import Bundle
from inference.image import prepare
from inference.registry import Registry
from inference.settings import RegistrySettings
from tests.running import ROOT, free_port, running_service

HERE, ENVIRONMENT = Path(__file__).parent, ROOT / ".venv-peers"
PACKAGES = ("bentoml", "fastapi", "litserve", "mlflow", "openvino", "ray", "tensorflow-cpu")
ONE_SECONDS, EIGHT_SECONDS, EXPLAIN_SECONDS = 3.0, 6.0, 5.0
OURS_ONE_SECONDS, OURS_EIGHT_SECONDS = 3.0, 4.0
PATIENCE_S = 300.0  # until a peer answers for the first time
KERAS, OPENVINO = "keras", "openvino-fp32"


@dataclass(frozen=True, slots=True)
class Peer:
    """What is started and how it is asked. `command` gets the port and a folder of its own; `prepare` runs first."""

    name: str
    graph: str
    command: Callable[[int, Path], list[str]]
    question: Question
    prepare: Callable[[Path], list[str]] | None = None
    explain: Question | None = None


class Skipped(RuntimeError):
    """A peer did not come up; the message is the reason."""


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


def table(bundle: Bundle) -> list[Peer]:
    """Every peer."""
    upload = multipart(UPLOAD)
    pixels = prepare(UPLOAD, bundle.manifest.preprocessing)[np.newaxis].tolist()
    as_json = {"Content-Type": "application/json"}
    numbers = Question("/invocations", json.dumps({"instances": pixels}).encode(), as_json)
    cell = base64.b64encode(UPLOAD).decode()
    table_ = {"dataframe_split": {"columns": ["image"], "data": [[cell]]}}
    in_base64 = Question("/invocations", json.dumps(table_).encode(), as_json)
    found = [
        Peer("mlflow models serve, JSON numbers", KERAS, _mlflow, numbers, _saved("keras")),
        Peer("mlflow models serve, base64 pyfunc", KERAS, _mlflow, in_base64, _saved("pyfunc")),
        Peer(
            "FastAPI and model.predict",
            KERAS,
            _script("naive"),
            Question("/predict", *upload),
            explain=Question("/explain", *upload),
        ),
    ]
    for graph in (KERAS, OPENVINO):
        found += [
            Peer("BentoML", graph, _bentoml, Question("/predict", *upload)),
            Peer("LitServe", graph, _script("litserver"), Question("/predict", *upload)),
            Peer("Ray Serve", graph, _script("rayserve"), Question("/", *upload)),
        ]
    return found


def multipart(data: bytes) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a form with one file, `image`."""
    head = (
        '--lunar\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    return head.encode() + data + b"\r\n--lunar--\r\n", {"Content-Type": "multipart/form-data; boundary=lunar"}


def _python() -> str:
    return str(ENVIRONMENT / "bin/python")


def _script(name: str) -> Callable[[int, Path], list[str]]:
    return lambda port, _: [_python(), str(HERE / f"{name}.py"), str(port)]


def _bentoml(port: int, _: Path) -> list[str]:
    binary = str(ENVIRONMENT / "bin/bentoml")
    return [binary, "serve", "bento:Classifier", "--host", "127.0.0.1", "--port", str(port), "--working-dir", str(HERE)]


def _mlflow(port: int, folder: Path) -> list[str]:
    binary = str(ENVIRONMENT / "bin/mlflow")
    return [binary, "models", "serve", "-m", str(folder / "model"), "--env-manager", "local", "-p", str(port)]


def _saved(kind: str) -> Callable[[Path], list[str]]:
    return lambda folder: [_python(), str(HERE / "mlflow_models.py"), kind, str(folder / "model")]


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
def running(peer: Peer, bundle: Bundle) -> Iterator[str]:
    """The peer in processes of its own, from its first answer to its end; yields its address. Raises Skipped."""
    if not (ENVIRONMENT / ".installed").exists():
        raise Skipped("its environment is not installed: make .venv-peers/.installed")
    with tempfile.TemporaryDirectory() as temporary, (Path(temporary) / "log").open("wb") as output:
        folder, port = Path(temporary), free_port()
        log = folder / "log"
        start = {"cwd": folder, "env": _environment(peer, bundle, folder), "stdout": output, "stderr": output}
        if peer.prepare and subprocess.run(peer.prepare(folder), **start).returncode:
            raise Skipped(f"its model cannot be saved: {_last(log)}")
        process = subprocess.Popen(peer.command(port, folder), start_new_session=True, **start)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, peer.question, process, log)
            yield address
        finally:
            _stop(process)


def _environment(peer: Peer, bundle: Bundle, folder: Path) -> dict[str, str]:
    return os.environ | {
        "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(HERE),
        "PEER_BUNDLE": str(bundle.path.resolve()),
        "PEER_GRAPH": peer.graph,
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true",  # which the pyfunc that one writes first needs
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def _wait(address: str, question: Question, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline, status = time.monotonic() + PATIENCE_S, "nothing"
    while time.monotonic() < deadline and process.poll() is None:
        client = Client(address)
        status = client.ask(question)
        client.close()
        if status == "200":
            return
        time.sleep(0.5)
    ended = "" if process.poll() is None else f", and ended with {process.returncode}"
    raise Skipped(f"it answered {status}{ended}: {_last(log)}")


def _last(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else "it said nothing"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """The peer and its children: they share a session of their own."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def ours(bundle: Bundle) -> Iterator[dict[str, str]]:
    """Lunar with the bundle in each precision; yields the addresses."""
    with ExitStack() as stack:
        addresses = {}
        for precision in precisions(bundle):
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            Registry(RegistrySettings(home=home)).publish(bundle, alias="champion", source="benchmark")
            addresses[f"Lunar {precision}"] = stack.enter_context(
                running_service(home, precision=precision, wait_s=PATIENCE_S)
            )
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


def versions() -> dict[str, str]:
    """What is installed in the peers' environment; empty if it is not there."""
    if not (ENVIRONMENT / ".installed").exists():
        return {}
    program = (
        f"import json; from importlib.metadata import version; print(json.dumps({{p: version(p) for p in {PACKAGES}}}))"
    )
    found: dict[str, str] = json.loads(subprocess.check_output([_python(), "-c", program]))
    return found


if __name__ == "__main__":
    main()
