"""The start of the service, as long as the registry leaves it without an answer."""

import threading

import pytest
from fastapi.testclient import TestClient

from inference.registry import NoSuchModel, Registry, Version
from service import champion
from service.app import create_app
from service.settings import Settings
from tests.service.conftest import lesion


def test_a_registry_that_hangs_does_not_keep_the_port_closed(
    fake_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gives_up = threading.Event()

    def hang(self: Registry, alias: str) -> Version:
        gives_up.wait(60)
        raise NoSuchModel(alias)

    monkeypatch.setattr(Registry, "resolve", hang)
    monkeypatch.setattr(champion, "FIRST_LOOK_S", 0.1)
    with TestClient(create_app(fake_settings), base_url="http://localhost") as client:
        assert client.get("/health/live").status_code == 200
        refused = client.post("/predict", content=lesion())
        gives_up.set()
    assert refused.status_code == 503
    assert refused.json()["detail"] == "The model is being loaded."
