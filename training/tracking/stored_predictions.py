"""Fetches the predictions that a run has stored in MLflow."""

import tempfile
from pathlib import Path

from inference.registry.mlflow_client import configure_mlflow
from training.evaluation.comparison import Contender
from training.evaluation.predictions import InvalidPredictions, read_predictions

PREDICTIONS = "predictions/test.csv"


class NoPredictions(LookupError):
    """There is no such run, or it has no stored predictions."""


def fetch_contender(run_id: str, *, tracking_uri: str) -> Contender:
    """The predictions of a run for its test set (artifact predictions/test.csv), named after the run.

    It is leaky if the parameter data.split of the run is "image".

    Raises NoPredictions, InvalidPredictions.
    """
    configure_mlflow()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=tracking_uri)
    try:
        run = client.get_run(run_id)
        with tempfile.TemporaryDirectory() as folder:
            path = client.download_artifacts(run_id, PREDICTIONS, folder)
            predictions = read_predictions(Path(path))
    except InvalidPredictions as error:
        raise InvalidPredictions(f"Run {run_id}: {error}") from error
    except (MlflowException, OSError) as error:  # MLflow 3.17 raises OSError for a missing local artifact
        raise NoPredictions(f"Run {run_id} has no {PREDICTIONS} in {tracking_uri}: {error}") from error
    name = f"{run.info.run_name} ({run_id[:8]})"
    return Contender(name, predictions, leaky=run.data.params.get("data.split") == "image")
