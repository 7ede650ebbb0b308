"""Fetches the predictions that a run has stored in MLflow."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from inference.registry.errors import NoSuchModel
from inference.registry.mlflow_client import mlflow_client, without_secrets
from training.evaluation.comparison import Contender
from training.evaluation.predictions import InvalidPredictions, read_predictions

if TYPE_CHECKING:
    from mlflow.entities import Run

PREDICTIONS = "predictions/test.csv"


class NoPredictions(LookupError):
    """There is no such run, or it has no stored predictions."""


def fetch_contender(run_id: str, *, tracking_uri: str) -> Contender:
    """The predictions of a run for its test set (artifact predictions/test.csv), named after the run.

    It is leaky if the parameter data.split of the run is "image".

    Raises NoPredictions, InvalidPredictions; RegistryUnavailable if MLflow or its store does not answer; and OSError if
    the disk is full.
    """
    with tempfile.TemporaryDirectory() as folder:
        run, path = _download(run_id, Path(folder), tracking_uri=tracking_uri)
        try:
            predictions = read_predictions(path)
        except InvalidPredictions as error:
            raise InvalidPredictions(f"Run {run_id}: {error}") from error
    name = f"{run.info.run_name} ({run_id[:8]})"
    return Contender(name, predictions, leaky=run.data.params.get("data.split") == "image")


def _download(run_id: str, folder: Path, *, tracking_uri: str) -> tuple[Run, Path]:
    try:
        with mlflow_client(tracking_uri) as client:
            run = client.get_run(run_id)
            # Listed first: to a download, MLflow 3.17 gives the same errors for a missing file and for a store that is
            # away.
            beside = client.list_artifacts(run_id, str(PurePosixPath(PREDICTIONS).parent))
            if all(file.path != PREDICTIONS for file in beside):
                raise NoSuchModel("there is no such file.")
            return run, Path(client.download_artifacts(run_id, PREDICTIONS, str(folder)))
    except NoSuchModel as error:
        raise NoPredictions(f"Run {run_id} has no {PREDICTIONS} in {without_secrets(tracking_uri)}: {error}") from error
