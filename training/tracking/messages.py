"""Sends one message of a run to MLflow."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import DatasetInput, InputTag, Metric, Param
from mlflow.exceptions import MlflowException

# MLflow 3.17 takes this many at once.
_METRICS, _PARAMETERS = 1000, 100

Sender = Callable[[MlflowClient, str, Any], None]  # (client, run id, content)

log = logging.getLogger(__name__)


def exists(client: MlflowClient, run_id: str) -> bool:
    """Whether the run is there and was not deleted."""
    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise


def _send_parameters(client: MlflowClient, run_id: str, content: dict[str, str]) -> None:
    values = [Param(key, value) for key, value in content.items()]
    for first in range(0, len(values), _PARAMETERS):
        client.log_batch(run_id, params=values[first : first + _PARAMETERS])


def _send_metrics(client: MlflowClient, run_id: str, content: list[tuple[str, float, int, int]]) -> None:
    values = [Metric(*entry) for entry in content]
    for first in range(0, len(values), _METRICS):
        client.log_batch(run_id, metrics=values[first : first + _METRICS])


def _send_file(client: MlflowClient, run_id: str, content: dict[str, str]) -> None:
    if Path(content["path"]).is_file():
        client.log_artifact(run_id, content["path"], content["folder"] or None)
    else:
        log.warning("%s was deleted before MLflow received it", content["path"])


def _send_datasets(client: MlflowClient, run_id: str, content: dict[str, dict[str, str]]) -> None:
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    inputs = []
    for use, values in content.items():
        source = CodeDatasetSource({"mlflow.source.name": values["source"]})
        dataset = MetaDataset(  # type: ignore[abstract]  # MLflow 3.17's own class
            source, name=values["name"], digest=values["digest"][:36]
        )
        inputs.append(DatasetInput(dataset._to_mlflow_entity(), [InputTag("mlflow.data.context", use)]))
    client.log_inputs(run_id, inputs)


def _send_end(client: MlflowClient, run_id: str, content: dict[str, Any]) -> None:
    client.set_terminated(run_id, status=content["status"], end_time=content["time"])


SENDERS: dict[str, Sender] = {
    "parameters": _send_parameters,
    "metrics": _send_metrics,
    "file": _send_file,
    "datasets": _send_datasets,
    "end": _send_end,
}
