"""Stored predictions that are away, missing or damaged: each is an error of its own, and `promote` names the cause."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from inference.bundle.storage import Bundle
from inference.registry.errors import Refused, RegistryUnavailable
from inference.registry.mlflow_registry import Registry
from tests.support.answers import make_answers
from tests.support.processes import free_port
from training.evaluation.predictions import write_predictions
from training.tracking.promotion import promote
from training.tracking.stored_predictions import NoPredictions, fetch_contender


def publish(registry: Registry, bundle: Bundle, folder: Path, *, alias: str, text: str | None = None) -> str:
    """Publish the bundle as a version of a new run with predictions, or with this text in their place; its run."""
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    run = client.create_run(registry.experiment(), run_name=alias).info.run_id
    write_predictions(make_answers(skill=3.0), folder / "test.csv")
    if text is not None:
        (folder / "test.csv").write_text(text)
    client.log_artifact(run, str(folder / "test.csv"), "predictions")
    registry.publish(bundle, alias=alias, source="training", run_id=run)
    return run


def fail(*_: object) -> None:
    """As requests' HTTPError, which is an OSError."""
    raise OSError("503 Server Error: Service Unavailable")


def test_a_store_that_is_away_is_no_reason_to_use_force(
    registry: Registry, fake_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = publish(registry, fake_bundle, tmp_path, alias="champion")
    publish(registry, fake_bundle, tmp_path, alias="candidate")
    assert len(fetch_contender(run, tracking_uri=registry.tracking_uri).predictions)
    monkeypatch.setattr(MlflowClient, "download_artifacts", fail)
    with pytest.raises(RegistryUnavailable, match="503") as raised:
        promote(registry, champion="champion", version=None, force=False)
    assert "--force" not in str(raised.value)
    assert registry.resolve("champion").run == run


def test_a_server_that_is_down_is_not_a_run_without_predictions() -> None:
    with pytest.raises(RegistryUnavailable, match="failed"):
        fetch_contender("0" * 32, tracking_uri=f"http://127.0.0.1:{free_port()}")


def test_no_run_and_a_run_without_predictions_are_told_apart_from_that(registry: Registry) -> None:
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    empty = client.create_run(registry.experiment()).info.run_id
    for run in (empty, "0" * 32):
        with pytest.raises(NoPredictions, match=rf"Run {run} has no predictions/test\.csv"):
            fetch_contender(run, tracking_uri=registry.tracking_uri)


def test_a_damaged_table_is_refused_with_its_cause(registry: Registry, fake_bundle: Bundle, tmp_path: Path) -> None:
    run = publish(registry, fake_bundle, tmp_path, alias="champion")
    publish(registry, fake_bundle, tmp_path, alias="candidate", text="nonsense")
    with pytest.raises(Refused, match=r"Version 2 cannot be compared.*is not a table of predictions.*--force"):
        promote(registry, champion="champion", version=None, force=False)
    assert registry.resolve("champion").run == run
