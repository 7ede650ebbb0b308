"""Tracked runs in MLflow, finished and failed; test_pipeline checks the numbers of a whole run."""

import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run as Found

from inference.registry.mlflow_registry import EXPERIMENT, Registry
from tests.support.paths import ROOT
from training.fitting.checkpoints import Checkpoints
from training.tracking.mlflow_run import keep_files, tracked_run


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


def client(registry: Registry) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(tracking_uri=registry.tracking_uri)


def runs(registry: Registry) -> list[Found]:
    return list(client(registry).search_runs([registry.experiment()]))


def test_a_run_says_where_it_ran_with_what_and_what_came_of_it(
    registry: Registry, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/roc.svg").write_text("<svg/>")
    with tracked_run(registry, "a name", checkpoints) as run:
        run.parameters({"seed": 1, "model": {"backbone": "b0", "head": {"dropout": 0.3}}})
        for epoch, loss in enumerate((0.9, 0.7), start=1):
            run.metrics({"loss": loss}, step=epoch)
        run.metrics({"auc": 0.8}, prefix="test.")
        run.file(tmp_path / "figures/roc.svg", "plots")
    keep_files(registry, run.run_id, [tmp_path / "figures" / "roc.svg"], "later")

    (found,) = runs(registry)
    assert (found.info.run_id, found.info.run_name, found.info.status) == (run.run_id, "a name", "FINISHED")
    assert client(registry).get_experiment(found.info.experiment_id).name == EXPERIMENT
    assert found.data.params == {"seed": "1", "model.backbone": "b0", "model.head.dropout": "0.3"}
    assert (found.data.metrics["test.auc"], found.data.metrics["loss"]) == (0.8, 0.7)
    history = client(registry).get_metric_history(run.run_id, "loss")
    assert [(each.step, each.value) for each in history] == [(1, 0.9), (2, 0.7)]
    assert found.data.tags["python"] == platform.python_version()
    assert int(found.data.tags["cpus"]) >= 1
    assert {"platform", "gpus"} <= set(found.data.tags)
    stored = Path(client(registry).download_artifacts(run.run_id, "", str(tmp_path)))
    assert json.loads((stored / "packages.json").read_text())["numpy"] == version("numpy")
    assert {path.relative_to(stored).as_posix() for path in stored.rglob("roc.svg")} >= {
        "plots/roc.svg", "later/roc.svg",
    }  # fmt: skip


def test_a_run_that_fails_says_so_and_goes_on_where_it_was_logged(registry: Registry, checkpoints: Checkpoints) -> None:
    def train(epoch: int, *, fails: bool) -> None:
        with tracked_run(registry, "a name", checkpoints) as run:
            run.metrics({"loss": 1 / epoch}, step=epoch)
            if fails:
                raise ArithmeticError

    with pytest.raises(ArithmeticError):
        train(1, fails=True)
    (failed,) = runs(registry)
    assert failed.info.status == "FAILED"
    train(2, fails=False)
    (finished,) = runs(registry)
    assert (finished.info.run_id, finished.info.status) == (failed.info.run_id, "FINISHED")
    history = client(registry).get_metric_history(finished.info.run_id, "loss")
    assert [each.step for each in history] == [1, 2]


def commit_of_a_run(registry: Registry, checkpoints: Checkpoints) -> str:
    with tracked_run(registry, "a name", checkpoints):
        pass
    (found,) = runs(registry)
    return str(found.data.tags["git_commit"])


def test_a_run_names_the_commit_of_its_checkout(
    registry: Registry, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("LUNAR_COMMIT", raising=False)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert commit_of_a_run(registry, checkpoints) == head


@pytest.mark.parametrize(("built", "expected"), [("0123abc", "0123abc"), ("", "unknown")])
def test_in_an_image_there_is_no_git(
    built: str, expected: str, registry: Registry, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without git the commit comes from the image or is unknown; the run does not fail because of it."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("LUNAR_COMMIT", built)
    assert commit_of_a_run(registry, checkpoints) == expected
