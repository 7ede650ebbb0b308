"""A real Prometheus as a process of its own, on the committed configuration."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import http
from tests.support.paths import ROOT
from tests.support.processes import free_port, stop, wait_until_up

FOLDER = ROOT / "deploy" / "observability"


def program(name: str) -> str:
    """Where `prometheus` or `promtool` is; skips the test without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on the path (Debian: apt install prometheus)")
    return found


class Prometheus:
    """Asks one of these by its HTTP API."""

    def __init__(self, address: str) -> None:
        self._client = http.Client(base_url=f"{address}/api/v1")
        self._moment: dict[str, float] = {}

    def stop_the_clock(self, samples: list[dict[str, Any]]) -> None:
        """From now on every query is about the moment of these samples, however long the tests take.

        Later scrapes may fail: on a busy machine one takes longer than it may, and then every series has an end. And
        what happened leaves the windows of the queries.
        """
        self._moment = {"time": max(float(sample["value"][1]) for sample in samples)}

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query. Raises AssertionError with Prometheus's words if it is none."""
        answer = self._client.get("/query", params={"query": expression} | self._moment).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        return list(answer["data"]["result"])

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._client.get("/rules").json()["data"]["groups"] for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        return list(self._client.get("/targets").json()["data"]["activeTargets"])

    def close(self) -> None:
        self._client.close()


@contextmanager
def running_prometheus(target: str, folder: Path) -> Iterator[Prometheus]:
    """From ready to stopped. Of the committed configuration it changes where the service is, and how often to look."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = dict.fromkeys(config["global"], "500ms")
    config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
    (job,) = config["scrape_configs"]
    assert job.pop("dns_sd_configs")
    job["static_configs"] = [{"targets": [target.removeprefix("http://")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port, log = free_port(), folder / "prometheus.log"
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
    ]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        try:
            wait_until_up(f"http://127.0.0.1:{port}/-/ready", process, log)
            yield prometheus
        finally:
            prometheus.close()
            stop(process)
