"""`mlflow models serve` as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import free_port, stop, wait_until_up


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
            wait_until_up(f"{address}/ping", process, log)
            yield address
            if process.poll() is not None:
                raise RuntimeError(f"the scoring server ended by itself, with {process.returncode}:\n{log.read_text()}")
        finally:
            stop(process, group=True)
