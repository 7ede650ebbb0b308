"""What a run leaves in MLflow: parameters, metrics, figures' data and the bundle it published."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow

from inference.registry import Registry
from training.checkpoint import Checkpoints


@contextmanager
def tracked_run(registry: Registry, name: str, checkpoints: Checkpoints) -> Iterator[Run]:
    """A run in the project's experiment; it ends as FAILED when the block raises.

    The checkpoints remember which one, so that training that goes on is logged where it began.
    """
    experiment = registry.experiment()
    mlflow.set_tracking_uri(registry.tracking_uri)
    with mlflow.start_run(checkpoints.note("mlflow_run"), experiment_id=experiment, run_name=name) as active:
        checkpoints.note("mlflow_run", active.info.run_id)
        mlflow.set_tags({"git_commit": _commit(), "machine": platform.platform(), "python": platform.python_version()})
        yield Run(active.info.run_id)


class Run:
    """The active run."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Log nested parameters with dotted names."""
        mlflow.log_params(_flat(values))

    def metrics(self, values: Mapping[str, float], *, prefix: str = "") -> None:
        """Log final numbers."""
        mlflow.log_metrics({prefix + name: value for name, value in values.items()})

    def history(self, values: Mapping[str, list[float]], *, prefix: str) -> None:
        """Log one value an epoch."""
        for name, series in values.items():
            for epoch, value in enumerate(series):
                mlflow.log_metric(prefix + name, value, step=epoch)

    def file(self, path: Path) -> None:
        """Keep a file."""
        mlflow.log_artifact(str(path))

    def content(self, content: Mapping[str, Any], name: str) -> None:
        """Keep a mapping as JSON."""
        mlflow.log_dict(dict(content), name)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
