"""The start of the service, as long as the registry leaves it without an answer."""

import threading

import pytest
from fastapi.testclient import TestClient

from inference.domain.model_version import ModelVersion
from inference.registry.errors import NoSuchModel
from inference.registry.mlflow_registry import Registry
from inference.runtimes import RUNTIMES
from service.app import create_app
from service.serving import model_manager
from service.settings import Settings
from tests.support.lesion_images import lesion
from tests.support.waiting import LIMIT_S


def test_a_registry_that_hangs_does_not_keep_the_port_closed(
    fake_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gives_up = threading.Event()

    def hang(self: Registry, alias: str) -> ModelVersion:
        gives_up.wait(LIMIT_S)
        raise NoSuchModel(alias)

    monkeypatch.setitem(RUNTIMES, "openvino", "tests.support.fakes:FakeRuntime")
    monkeypatch.setattr(Registry, "resolve", hang)
    monkeypatch.setattr(model_manager, "FIRST_LOOK_S", 0.1)
    with TestClient(create_app(fake_settings), base_url="http://localhost") as client:
        assert client.get("/health/live").status_code == 200
        refused = client.post("/predict", content=lesion())
        gives_up.set()
    assert refused.status_code == 503
    assert refused.json()["detail"] == "The model is being loaded."
