"""Creates what is new in MLflow, once.

MLflow's client sends a request again if its answer is late or lost, and the server then obeys both. What has a name of
its own is refused the second time, although it was just created. Runs and versions get a tag that tells which request
created them, and the later ones of one request are deleted.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

REQUEST = "request"  # a tag


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
    request = uuid4().hex
    run = client.create_run(experiment, start_time, {**(tags or {}), REQUEST: request}, name)
    for twin in client.search_runs([experiment], f"tags.{REQUEST} = '{request}'"):
        if twin.info.run_id != run.info.run_id:
            _delete(partial(client.delete_run, twin.info.run_id))
    return str(run.info.run_id)


def create_version(client: "MlflowClient", name: str, source: str, *, run: str, tags: Mapping[str, str]) -> str:
    """The number of a new version of a registered model. Raises MlflowException."""
    request = uuid4().hex
    created = client.create_model_version(name, source, run, tags={**tags, REQUEST: request})
    twins = client.search_model_versions(f"name = '{name}' and tags.{REQUEST} = '{request}'")
    first, *others = sorted({str(created.version), *(str(twin.version) for twin in twins)}, key=int)
    for version in others:
        _delete(partial(client.delete_model_version, name, version))
    return first


def _delete(delete: Callable[[], None]) -> None:
    """A request that was sent twice finds nothing the second time."""
    from mlflow.exceptions import MlflowException

    try:
        delete()
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _exists(error: "MlflowException") -> bool:
    return bool(error.error_code == "RESOURCE_ALREADY_EXISTS")
