"""A registry whose answers are lost: MLflow's client sends the request again, and the server obeys it twice."""

from pathlib import Path

from inference.bundle.storage import Bundle
from inference.registry.mlflow_registry import EXPERIMENT, Registry
from inference.settings import RegistrySettings
from tests.support.mlflow_server import MlflowServer, Proxy


def test_a_bundle_is_published_once(fake_bundle: Bundle, tmp_path: Path) -> None:
    """In a new registry: the experiment, the model and the version are each asked for twice."""
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
