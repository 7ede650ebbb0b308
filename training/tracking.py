"""What a run leaves in MLflow: parameters, metrics, figures' data and the bundle it published."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import distributions
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
        mlflow.set_tags({"git_commit": _commit()} | _machine())
        mlflow.log_dict({each.name: each.version for each in distributions()}, "packages.json")
        yield Run(active.info.run_id)


def keep_files(registry: Registry, run_id: str, folder: Path, name: str) -> None:
    """Keep the files of a folder with a run that has ended."""
    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    client.log_artifacts(run_id, str(folder), name)


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

    def epoch(self, stage: str, epoch: int, numbers: Mapping[str, float]) -> None:
        """Log an epoch's numbers as <stage>.<name>, counted from 1."""
        mlflow.log_metrics({f"{stage}.{name}": value for name, value in numbers.items()}, step=epoch)

    def file(self, path: Path, folder: str) -> None:
        """Keep a file."""
        mlflow.log_artifact(str(path), folder)

    def folder(self, path: Path) -> None:
        """Keep the files of a folder."""
        mlflow.log_artifacts(str(path))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _machine() -> dict[str, str]:
    import tensorflow as tf

    gpus = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in _gpus(tf)]
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpus": str(os.cpu_count()),
        "gpus": ", ".join(gpus) or "none",
    }


def _gpus(tf: Any) -> list[Any]:
    return list(tf.config.list_physical_devices("GPU"))


def _commit() -> str:
    """Of the image that the code came in, or of the checkout."""
    if built := os.environ.get("LUNAR_COMMIT"):
        return built
    if not shutil.which("git"):
        return "unknown"
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
