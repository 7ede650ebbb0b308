"""A training run in MLflow: its parameters, metrics, files, data sets and machine."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from inference.registry.creation import create_run
from inference.registry.errors import RegistryUnavailable
from inference.registry.mlflow_registry import Registry
from training.fitting.checkpoints import Checkpoints
from training.tracking.machine import describe_machine, package_versions
from training.tracking.messages import SENDERS, exists
from training.tracking.outbox import Kind, Outbox

# What MLflow's client raises when the server does not answer, or not like MLflow.
_AWAY = (RegistryUnavailable, MlflowException, OSError, ValueError)
_RUN_ID = "mlflow_run"
# Notes of what was reported, kept by training.tracking.tracked_report.
REPORTED, STORED = "reported", "stored"

log = logging.getLogger(__name__)


@contextmanager
def tracked_run(registry: Registry, name: str, checkpoints: Checkpoints, *, description: str = "") -> Iterator[Run]:
    """A run in the project's experiment. It ends as FAILED if the block raises, as KILLED if it is interrupted.

    The checkpoints keep its id, so that a resumed training continues the same run, and what the tracking server has not
    received yet. A server that is away is a warning.
    """
    run = Run(registry, checkpoints)
    tags = {**describe_machine(), "mlflow.note.content": description}
    run.start(name, {key: value for key, value in tags.items() if value})
    status = "FAILED"
    try:
        with run.system_metrics():
            yield run
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        run.end(status)


def keep_files(registry: Registry, run_id: str, files: Iterable[Path], name: str) -> None:
    """Store files as artifacts `name`/... of a run that has ended."""
    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    for file in files:
        client.log_artifact(run_id, str(file), name)


class Run:
    """Logs to one run. Everything passes through an outbox, in order, and is sent as soon as the server answers."""

    def __init__(self, registry: Registry, checkpoints: Checkpoints) -> None:
        self._registry = registry
        self.checkpoints = checkpoints
        self._outbox = Outbox(checkpoints.folder / "outbox.jsonl")
        self._away = False

    @property
    def run_id(self) -> str | None:
        """The id of the run; None until the server has created it."""
        return self.checkpoints.note(_RUN_ID)

    def start(self, name: str, tags: Mapping[str, str]) -> None:
        """Create the run or continue it."""
        self._add("start", {"name": name, "tags": dict(tags), "time": _now()})
        packages = self.checkpoints.folder / "packages.json"
        packages.write_text(json.dumps(package_versions(), indent=1), encoding="utf-8")
        self.file(packages, "")

    def end(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED."""
        self._add("end", {"status": status, "time": _now()})

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Log nested parameters with dotted names."""
        self._add("parameters", {key: str(value) for key, value in _flat(values).items()})

    def metrics(self, values: Mapping[str, float], *, prefix: str = "", step: int = 0) -> None:
        """Log metrics, with `prefix` before each name."""
        self._add("metrics", [[prefix + name, float(value), _now(), step] for name, value in values.items()])

    def file(self, path: Path, folder: str) -> None:
        """Store a file in the artifact folder `folder`. It has to stay where it is until the server has it."""
        self._add("file", {"path": str(path.resolve()), "folder": folder})

    def folder(self, path: Path) -> None:
        """Store all files of a folder as artifacts."""
        for file in sorted(each for each in path.rglob("*") if each.is_file()):
            self.file(file, file.parent.relative_to(path).as_posix().removeprefix("."))

    def datasets(self, sets: Mapping[str, Mapping[str, str]]) -> None:
        """Log data sets by their use, such as "train": each has a name, a digest and the address of its source."""
        self._add("datasets", {use: dict(values) for use, values in sets.items()})

    def deliver(self) -> None:
        """Send what the server has not received yet. Raises RegistryUnavailable if it is still away."""
        try:
            self._send()
        except _AWAY as error:
            raise RegistryUnavailable(
                f"MLflow at {self._registry.tracking_uri} takes nothing now; what it has not received is kept in "
                f"{self.checkpoints.folder} and is sent when the same command is given again. {error}"
            ) from error

    @contextmanager
    def system_metrics(self) -> Iterator[None]:
        """Let MLflow record processor, memory, disk, network and NVIDIA GPUs while the context is open."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        run_id = None if self._away else self.run_id
        if run_id is None:
            yield
            return
        uri = self._registry.tracking_uri
        monitor = SystemMetricsMonitor(run_id, resume_logging=True, tracking_uri=uri)  # type: ignore[no-untyped-call]
        monitor.start()  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            monitor.finish()  # type: ignore[no-untyped-call]

    def _add(self, kind: Kind, content: Any) -> None:
        self._outbox.add(kind, content)
        try:
            self._send()
        except _AWAY as error:
            if not self._away:
                log.warning("MLflow takes nothing now; the run goes on, and its numbers are sent later: %s", error)
            self._away = True
        else:
            self._away = False

    def _send(self) -> None:
        with self._outbox.pending() as messages:
            client = mlflow.MlflowClient(tracking_uri=self._registry.tracking_uri)
            for kind, content in messages:
                try:
                    self._send_one(client, kind, content)
                except MlflowException as error:
                    if not _refused(kind, error):
                        raise
                    log.error("MLflow refuses the %s %s: %s", kind, content, error)

    def _send_one(self, client: mlflow.MlflowClient, kind: Kind, content: Any) -> None:
        if kind == "start":
            self._begin(client, content)
        else:
            SENDERS[kind](client, str(self.run_id), content)

    def _begin(self, client: mlflow.MlflowClient, content: dict[str, Any]) -> None:
        if self.run_id and exists(client, self.run_id):
            client.update_run(self.run_id, status="RUNNING")
            return
        from mlflow.tracking.context.registry import resolve_tags

        created = create_run(
            client,
            self._registry.experiment(),
            name=content["name"],
            tags=resolve_tags(content["tags"]),
            start_time=content["time"],
        )
        if self.run_id:
            for name in (REPORTED, STORED):  # the run that knew them was deleted
                self.checkpoints.note(name, "{}")
        self.checkpoints.note(_RUN_ID, created)


def _refused(kind: Kind, error: MlflowException) -> bool:
    """Whether sending the message again would fail again. Behind messages for a lost run, a `start` makes another.

    A `start` is never given up, because everything behind it needs its run: MLflow refuses one while the experiment is
    deleted, and takes it when somebody has restored it.
    """
    return kind != "start" and error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _now() -> int:
    return int(time.time() * 1000)
