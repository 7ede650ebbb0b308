"""`mlflow models serve` as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.running import free_port


@contextmanager
def running_scoring_server(home: Path, *, model: str = "models:/skin-lesion@champion") -> Iterator[str]:
    """The README's command on the registry in `home`, from ready to stopped; yields its address.

    It runs in `home`, so that the code it executes can only be the model's own.
    """
    binaries = Path(sys.executable).parent
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "PATH": f"{binaries}:{os.environ['PATH']}",  # MLflow 3.17 starts whichever uvicorn is on the path
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    command = [str(binaries / "mlflow"), "models", "serve", "-m", model, "--env-manager", "local", "-p", str(port)]
    log = home / "scoring-server.log"
    with log.open("wb") as output:
        # A session of its own: MLflow starts uvicorn as a child and does not stop it when it is stopped.
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, process, log)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=20)


def _wait(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx2.get(f"{address}/ping").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the scoring server did not come up:\n{log.read_text()}")
