"""One deployment: the project's unmodified Compose file and scripts, in a folder of its own, as on a fresh host."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from tests.deploy.engine import BUILDING, Engine
from tests.support import http
from tests.support.paths import ROOT
from tests.support.processes import free_port
from tests.support.waiting import LIMIT_S, wait_for

REPLICAS = 3


class Stack:
    """`docker-compose up` and what belongs to it; `folder` becomes the deployment's."""

    def __init__(self, engine: Engine, folder: Path, *, project: str) -> None:
        self.engine, self.folder, self.project = engine, folder, project
        self.port, self.tls_port = free_port(), free_port()
        self.address = f"http://localhost:{self.port}"
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "docker-compose.yml", folder)
        shutil.copytree(ROOT / "deploy", folder / "deploy")
        self.settings = {
            "LUNAR_HTTP_PORT": str(self.port),
            "LUNAR_HTTPS_PORT": str(self.tls_port),
            "LUNAR_ALLOWED_HOSTS": "lunar.test",
            "LUNAR_RATE_LIMIT": "off",
        }

    def make_secrets(self, *options: str) -> str:
        """As the documentation says; the API key that it shows."""
        command = ["deploy/secrets.sh", *options, "clinic-a"]
        shown = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return shown.stderr.strip().splitlines()[-1]

    def up(self, *services: str) -> float:
        """Start it; until every health check passes, in seconds."""
        begun = time.monotonic()
        self.compose("up", "-d", "--no-build", "--scale", f"service={REPLICAS}", *services)
        self.wait(self.is_healthy, "every container is healthy")
        return time.monotonic() - begun

    def compose(self, *arguments: str, check: bool = True) -> str:
        """`docker-compose ARGUMENTS` in the deployment's folder."""
        self._write_settings()
        command = [*self.engine.compose, "--project-name", self.project, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=BUILDING * LIMIT_S)
        if check and done.returncode != 0:
            raise RuntimeError(
                f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}\n{self.logs()}"
            )
        return done.stdout.strip()

    def script(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """One of the scripts of deploy/, as an operator runs it."""
        environment = os.environ | {"COMPOSE": " ".join([*self.engine.compose, "--project-name", self.project])}
        command = [f"deploy/{name}.sh", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=BUILDING * LIMIT_S
        )

    def containers(self, service: str) -> list[dict[str, Any]]:
        """What the engine says of a service's containers (`docker inspect`), in the order of their names."""
        labels = {"project": self.project, "service": service}
        filters = [f"--filter=label=com.docker.compose.{key}={value}" for key, value in labels.items()]
        found = self.engine.run("ps", "--all", "--quiet", *filters, "--filter=label=com.docker.compose.oneoff=False")
        if not found:
            return []
        return sorted(json.loads(self.engine.run("inspect", *found.split())), key=lambda each: str(each["Name"]))

    def is_healthy(self) -> bool:
        """Every long-running container is, and the proxy knows every replica."""
        states = [
            each["State"] for name in ("postgres", "mlflow", "service", "proxy") for each in self.containers(name)
        ]
        well = [state["Running"] and state["Health"]["Status"] == "healthy" for state in states]
        return len(well) == 3 + REPLICAS and all(well) and self.replicas_up() == REPLICAS

    def proxy_statistics(self) -> dict[str, dict[str, str]]:
        """HAProxy's own, by name of the server."""
        ask = "exec 3<>/dev/tcp/127.0.0.1/8404; printf 'GET /stats;csv HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
        page = self.compose("exec", "-T", "proxy", "bash", "-c", ask)
        header, *lines = page.replace("\r", "").partition("\n\n")[2].lstrip("# ").splitlines()
        rows = [dict(zip(header.split(","), line.split(","), strict=False)) for line in lines if line]
        return {row["svname"]: row for row in rows if row["pxname"] == "service"}

    def replicas_up(self) -> int:
        return sum(row["status"].startswith("UP") for name, row in self.proxy_statistics().items() if name != "BACKEND")

    def kill(self, service: str) -> str:
        """SIGKILL to the main process of a service's first container, from outside of it: as if it had crashed.

        `docker kill` counts as a stop by the operator, after which no restart policy holds.
        """
        container = self.containers(service)[0]
        options = ["--rm", "--pid=host", "--network=none", "--user=0", "--entrypoint=sh", "lunar-service:0.2.0"]
        self.engine.run("run", *options, "-c", f"kill -9 {container['State']['Pid']}")
        return str(container["Id"])

    def recovered(self, container: str) -> bool:
        """Whether a killed container runs again and is healthy."""
        state = json.loads(self.engine.run("inspect", container))[0]
        return bool(state["RestartCount"] and state["State"].get("Health", {}).get("Status") == "healthy")

    def wait(self, done: Callable[[], bool], what: str) -> float:
        """Until `done`; how long that took, in seconds, for the report. Raises TimeoutError with the logs."""
        begun = time.monotonic()
        wait_for(done, lambda: f"{what}\n{self.compose('ps')}\n{self.logs()}")
        return time.monotonic() - begun

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request through the proxy."""
        return http.request(method, f"{self.address}{path}", **options)

    def logs(self) -> str:
        done = subprocess.run(
            [*self.engine.compose, "--project-name", self.project, "logs", "--no-color", "--tail=30"],
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        return done.stdout[-6000:]

    def _write_settings(self) -> None:
        lines = [f"{name}={value}\n" for name, value in self.settings.items()]
        (self.folder / ".env").write_text("".join(lines))
