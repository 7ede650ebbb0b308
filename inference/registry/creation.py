"""Creates what is new in MLflow, and deletes its twin.

MLflow's client sends a request again if its answer is late or lost, and the server then obeys both. What has a name of
its own is refused the second time, although it was just created. Runs and versions get a tag that tells which request
created them, so that the later ones of one request are found. A server that does not answer then either keeps them.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

REQUEST = "request"  # a tag

log = logging.getLogger(__name__)


def create_experiment(client: "MlflowClient", name: str, *, location: str | None) -> str:
    """The id of the experiment, which may exist already. Raises MlflowException."""
    from mlflow.exceptions import MlflowException

    try:
        return client.create_experiment(name, artifact_location=location)
    except MlflowException as error:
        existing = client.get_experiment_by_name(name) if _exists(error) else None
        if existing is None:
            raise
        return str(existing.experiment_id)


def create_registered_model(client: "MlflowClient", name: str) -> None:
    """Does nothing if the model exists already. Raises MlflowException."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if not _exists(error):
            raise


def create_run(
    client: "MlflowClient",
    experiment: str,
    *,
    name: str,
    tags: Mapping[str, str] | None = None,
    start_time: int | None = None,
) -> str:
    """The id of a new run; `start_time` in milliseconds since 1970, or now. Raises MlflowException."""
    from mlflow.exceptions import MlflowException

    request = uuid4().hex
    created = str(client.create_run(experiment, start_time, {**(tags or {}), REQUEST: request}, name).info.run_id)
    try:
        for run in client.search_runs([experiment], f"tags.{REQUEST} = '{request}'"):
            if run.info.run_id != created:
                client.delete_run(run.info.run_id)
    except MlflowException as error:
        log.warning("MLflow may hold a second run like %s: %s", created, error)
    return created


def create_version(client: "MlflowClient", name: str, source: str, *, run: str, tags: Mapping[str, str]) -> str:
    """The number of a new version of a registered model. Raises MlflowException."""
    from mlflow.exceptions import MlflowException

    request = uuid4().hex
    created = str(client.create_model_version(name, source, run, tags={**tags, REQUEST: request}).version)
    try:
        found = client.search_model_versions(f"name = '{name}' and tags.{REQUEST} = '{request}'")
        first, *others = sorted({created, *(str(version.version) for version in found)}, key=int)
    except MlflowException as error:
        log.warning("MLflow may hold a second version like %s: %s", created, error)
        return created
    for version in others:
        try:
            client.delete_model_version(name, version)
        except MlflowException as error:  # one that was asked for twice, too
            log.warning("MLflow does not delete version %s, which is the same as %s: %s", version, first, error)
    return first


def _exists(error: "MlflowException") -> bool:
    return bool(error.error_code == "RESOURCE_ALREADY_EXISTS")
