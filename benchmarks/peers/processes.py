"""A peer in processes of its own, from its first answer to its end."""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness.load_clients import Client, Question
from benchmarks.peers.table import ENVIRONMENT, HERE, PYTHON, Peer
from inference.bundle.storage import Bundle
from tests.support.processes import free_port

PACKAGES = ("bentoml", "fastapi", "litserve", "mlflow", "openvino", "ray", "tensorflow-cpu")
PATIENCE_S = 300.0  # until a peer answers for the first time


class Skipped(RuntimeError):
    """A peer did not come up; the message is the reason."""


@contextmanager
def running(peer: Peer, bundle: Bundle) -> Iterator[str]:
    """The peer in processes of its own, from its first answer to its end; yields its address. Raises Skipped."""
    if not (ENVIRONMENT / ".installed").exists():
        raise Skipped("its environment is not installed: make .venv-peers/.installed")
    with tempfile.TemporaryDirectory() as temporary, (Path(temporary) / "log").open("wb") as output:
        folder, port = Path(temporary), free_port()
        log = folder / "log"

        def start(command: list[str]) -> "subprocess.Popen[bytes]":
            environment = _environment(peer, bundle, folder)
            return subprocess.Popen(
                command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
            )

        if peer.prepare and start(peer.prepare(folder)).wait():
            raise Skipped(f"its model cannot be saved: {_last(log)}")
        process = start(peer.command(port, folder))
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


def versions() -> dict[str, str]:
    """What is installed in the peers' environment; empty if it is not there."""
    if not (ENVIRONMENT / ".installed").exists():
        return {}
    program = (
        f"import json; from importlib.metadata import version; print(json.dumps({{p: version(p) for p in {PACKAGES}}}))"
    )
    found: dict[str, str] = json.loads(subprocess.check_output([PYTHON, "-c", program]))
    return found
