"""A tracking server that is away: the run goes on, and what it logged is sent when the server answers again."""

import json
import logging
from pathlib import Path

import mlflow
import pytest

from inference.registry.errors import RegistryUnavailable
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.processes import free_port
from training.fitting.checkpoints import Checkpoints
from training.tracking.mlflow_run import Run, tracked_run
from training.tracking.outbox import Outbox
from training.tracking.tracked_report import TrackedReport


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


@pytest.fixture
def away(tmp_path: Path) -> Registry:
    """A registry at an address where nothing listens."""
    return Registry(RegistrySettings(home=tmp_path / "away", tracking_uri=f"http://127.0.0.1:{free_port()}"))


def test_what_was_logged_while_the_server_was_away_is_sent_later(
    registry: Registry, away: Registry, checkpoints: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "roc.svg").write_text("<svg/>")
    with caplog.at_level(logging.WARNING), tracked_run(away, "a name", checkpoints) as run:
        run.parameters({"seed": 1})
        for step, loss in ((1, 0.9), (2, 0.7)):
            run.metrics({"loss": loss}, step=step)
        run.file(tmp_path / "roc.svg", "plots")
        with pytest.raises(RegistryUnavailable, match="the same command is given again"):
            run.deliver()
    assert len([each for each in caplog.records if "sent later" in each.message]) == 1
    with tracked_run(registry, "a name", checkpoints) as run:
        run.metrics({"loss": 0.6}, step=3)

    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    (found,) = client.search_runs([registry.experiment()])
    assert (found.info.run_name, found.info.status, found.data.params) == ("a name", "FINISHED", {"seed": "1"})
    history = client.get_metric_history(found.info.run_id, "loss")
    assert [(each.step, each.value) for each in history] == [(1, 0.9), (2, 0.7), (3, 0.6)]
    assert [file.path for file in client.list_artifacts(found.info.run_id, "plots")] == ["plots/roc.svg"]
    assert len(Outbox(checkpoints.folder / "outbox.jsonl")) == 0


def test_a_message_that_was_not_received_stays_with_those_behind_it(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.jsonl")
    for number in range(3):
        outbox.add("metrics", number)
    with (tmp_path / "outbox.jsonl").open("a") as file:
        file.write('["metr')  # left by a killed process

    def send(upto: int) -> list[int]:
        sent = []
        with outbox.pending() as messages:
            for _, content in messages:
                if content == upto:
                    raise ConnectionError
                sent.append(content)
        return sent

    with pytest.raises(ConnectionError):
        send(upto=1)
    assert len(outbox) == 2
    assert send(upto=9) == [1, 2]
    assert len(outbox) == 0


def test_an_interrupted_run_is_killed(registry: Registry, checkpoints: Checkpoints) -> None:
    with pytest.raises(KeyboardInterrupt), tracked_run(registry, "a name", checkpoints):
        raise KeyboardInterrupt
    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    assert [run.info.status for run in client.search_runs([registry.experiment()])] == ["KILLED"]


def test_a_run_that_was_deleted_is_made_again(registry: Registry, checkpoints: Checkpoints) -> None:
    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    with tracked_run(registry, "a name", checkpoints) as run:
        first = run.run_id
    client.delete_run(first)
    with tracked_run(registry, "a name", checkpoints) as run:
        assert run.run_id != first


def test_what_a_run_reports_waits_while_its_experiment_is_deleted(
    registry: Registry, checkpoints: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    experiment = registry.experiment()
    client.delete_experiment(experiment)
    with tracked_run(registry, "a name", checkpoints) as run:
        run.metrics({"loss": 0.9}, step=1)
        with pytest.raises(RegistryUnavailable, match="deleted"):
            run.deliver()
    assert "sent later" in caplog.text
    client.restore_experiment(experiment)
    with tracked_run(registry, "a name", checkpoints) as run:
        run.metrics({"loss": 0.7}, step=2)
    (found,) = client.search_runs([experiment])
    history = client.get_metric_history(found.info.run_id, "loss")
    assert [(each.step, each.value) for each in history] == [(1, 0.9), (2, 0.7)]


def test_a_refused_value_does_not_hold_the_others_back(
    registry: Registry, checkpoints: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    with tracked_run(registry, "a name", checkpoints) as run:
        run.parameters({"seed": 1})
        run.parameters({"seed": 2})  # MLflow's parameters cannot be changed
        run.metrics({"auc": 0.8})
    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    assert client.get_run(run.run_id).data.metrics["auc"] == 0.8
    assert "refuses the parameters" in caplog.text


def test_epochs_of_a_killed_process_are_reported_once_on_one_axis(registry: Registry, checkpoints: Checkpoints) -> None:
    """A process that is killed after a checkpoint cannot report its epoch; the next one does."""
    warm_up, fine_tune = ({"loss": losses, "learning_rate": [1e-3] * len(losses)} for losses in ([3.0, 2.0], [1.0]))
    drawn = []

    def draw(histories: object, path: Path) -> None:
        drawn.append(json.dumps(histories))
        path.write_text("<svg/>")

    with tracked_run(registry, "a name", checkpoints) as run:
        TrackedReport(run, checkpoints, draw=draw).trained(
            "warm_up", {name: values[:1] for name, values in warm_up.items()}, first_step=0
        )
    checkpoints.best_path("warm_up").write_bytes(b"weights")
    for _ in range(2):
        with tracked_run(registry, "a name", checkpoints) as run:
            report = TrackedReport(run, checkpoints, draw=draw)
            report.trained("warm_up", warm_up, first_step=0)
            report.finished("warm_up", warm_up, best=checkpoints.best_path("warm_up"))
            report.trained("fine_tune", fine_tune, first_step=2)
            report.trained("fold-2.warm_up", warm_up, first_step=0)
            report.trained("pretrain", fine_tune, first_step=0)
    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    steps = {
        name: [(each.step, each.value) for each in client.get_metric_history(run.run_id, name)]
        for name in ("loss", "fold-2.loss", "pretrain.loss")
    }
    assert steps == {
        "loss": [(1, 3.0), (2, 2.0), (3, 1.0)],
        "fold-2.loss": [(1, 3.0), (2, 2.0)],
        "pretrain.loss": [(1, 1.0)],
    }
    assert [file.path for file in client.list_artifacts(run.run_id, "checkpoints")] == ["checkpoints/warm_up-best.npz"]
    assert [file.path for file in client.list_artifacts(run.run_id, "plots")] == ["plots/training.svg"]
    assert json.loads(drawn[-1]) == {"warm_up": warm_up}


def test_epochs_and_weights_that_waited_for_the_server_are_sent_once(
    registry: Registry, away: Registry, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole first process has no server; the second one is told of the same epochs and weights again."""
    sent = []
    log_artifact = mlflow.MlflowClient.log_artifact

    def remember(client: mlflow.MlflowClient, run_id: str, path: str, folder: str | None = None) -> None:
        sent.append(Path(path).name)
        log_artifact(client, run_id, path, folder)

    monkeypatch.setattr(mlflow.MlflowClient, "log_artifact", remember)
    history = {"loss": [3.0, 2.0]}
    checkpoints.best_path("warm_up").write_bytes(b"weights")
    for server in (away, registry):
        with tracked_run(server, "a name", checkpoints) as run:
            report = TrackedReport(run, checkpoints, draw=lambda _, path: path.write_text("<svg/>"))
            report.trained("warm_up", history, first_step=0)
            report.finished("warm_up", history, best=checkpoints.best_path("warm_up"))
    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    assert [(each.step, each.value) for each in client.get_metric_history(run.run_id, "loss")] == [(1, 3.0), (2, 2.0)]
    assert sent.count("warm_up-best.npz") == 1


def test_messages_for_a_run_that_the_server_no_longer_has_do_not_hold_the_next_start_back(
    registry: Registry, away: Registry, checkpoints: Checkpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "roc.svg").write_text("<svg/>")
    with tracked_run(registry, "a name", checkpoints) as run:
        first = run.run_id
    left = Run(away, checkpoints)  # the server went away after it had received the start
    left.parameters({"seed": 1})
    left.metrics({"loss": 0.9}, step=1)
    left.file(tmp_path / "roc.svg", "plots")
    left.end("KILLED")
    other = Registry(RegistrySettings(home=tmp_path / "other"))
    with tracked_run(other, "a name", checkpoints) as run:
        run.metrics({"loss": 0.7}, step=2)
    assert run.run_id != first
    client = mlflow.MlflowClient(tracking_uri=other.tracking_uri)
    assert [each.step for each in client.get_metric_history(run.run_id, "loss")] == [2]
    assert "refuses the metrics" in caplog.text
    assert len(Outbox(checkpoints.folder / "outbox.jsonl")) == 0


def test_a_message_behind_an_unfinished_line_has_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "outbox.jsonl"
    Outbox(path).add("metrics", 1)
    with path.open("a") as file:
        file.write('["metr')  # left by a killed process or a full disk
    Outbox(path).add("metrics", 2)
    with Outbox(path).pending() as messages:
        assert [content for _, content in messages] == [1, 2]
