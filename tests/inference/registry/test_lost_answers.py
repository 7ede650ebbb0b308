"""A registry whose answers are lost: MLflow's client sends the request again, and the server obeys it twice."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException

from inference.bundle.storage import Bundle
from inference.registry.creation import create_run, create_version
from inference.registry.mlflow_registry import EXPERIMENT, Registry
from inference.settings import RegistrySettings
from tests.support.mlflow_server import MlflowServer, Proxy
from tests.support.waiting import LIMIT_S


def test_a_bundle_is_published_once(fake_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a new registry: the experiment, the model and the version are each asked for twice."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", f"{LIMIT_S:.0f}")  # only what the proxy loses is asked for again
    server = MlflowServer(tmp_path)
    server.start()
    try:
        proxy = Proxy(server.port)
        proxy.mood = "losing"
        with proxy.running() as address:
            registry = Registry(RegistrySettings(home=tmp_path / "home", tracking_uri=address))
            version = registry.publish(fake_bundle, alias="champion", source="test")
            assert version.version == "1"
            assert [(each.version, aliases) for each, aliases in registry.versions()] == [("1", ("champion",))]
            with registry._client() as client:
                (experiment,) = client.search_experiments(filter_string=f"name = '{EXPERIMENT}'")
                assert len(client.search_runs([experiment.experiment_id])) == 1
            again = registry.publish(fake_bundle, alias="candidate", source="test")
            assert [each.version for each, _ in registry.versions()] == [again.version, "1"], (
                "on purpose, it is another"
            )
    finally:
        server.stop()


class _Away:
    """A server that creates, and does not answer the search after it."""

    def create_run(self, *_: object) -> SimpleNamespace:
        return SimpleNamespace(info=SimpleNamespace(run_id="one"))

    def create_model_version(self, *_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(version=4)

    def search_runs(self, *_: object) -> None:
        raise MlflowException("API request failed with exception: timed out")

    search_model_versions = search_runs


def test_what_was_created_is_not_lost_because_its_twin_cannot_be_looked_for(caplog: pytest.LogCaptureFixture) -> None:
    """The caller would create another one, again and again."""
    server = _Away()
    assert create_run(server, "1", name="a run") == "one"  # type: ignore[arg-type]
    assert create_version(server, "lunar", "runs:/one/model", run="one", tags={}) == "4"  # type: ignore[arg-type]
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "MLflow may hold a second run like one",
        "MLflow may hold a second version like 4",
    ]
