"""The API on a fake runtime: fast, over a real registry, in this process."""

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

from inference.bundle.storage import Bundle
from inference.registry.mlflow_registry import Registry
from inference.runtimes import RUNTIMES
from service.app import create_app
from service.serving import model_manager
from service.serving.candidate_check import CandidateCheck
from service.settings import Settings
from tests.support.settings import changed
from tests.support.waiting import LIMIT_S


@pytest.fixture(scope="session")
def fake_settings(fake_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose registry serves the fake bundle. Only a test of deadlines should meet one."""
    settings = Settings(home=tmp_path_factory.mktemp("fake-home"), request_timeout_s=LIMIT_S, decoders=0)
    Registry(settings).publish(fake_bundle, alias="champion", source="test")
    return settings


@pytest.fixture
def open_client(fake_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., TestClient]]:
    """Opens a ready client; `changes` replace settings."""
    monkeypatch.setitem(RUNTIMES, "openvino", "tests.support.fakes:FakeRuntime")
    # The process that verifies candidates has no fake runtime. The service verifies them again when it loads them.
    monkeypatch.setattr(CandidateCheck, "verify", lambda *_: None)
    monkeypatch.setattr(model_manager, "FIRST_LOOK_S", LIMIT_S)  # on a busy machine the first look may take longer
    clients: list[TestClient] = []

    def open_(**changes: object) -> TestClient:
        client = TestClient(create_app(changed(fake_settings, **changes)), base_url="http://localhost")
        client.__enter__()
        clients.append(client)
        assert client.get("/health/ready").status_code == 200, client.get("/health/ready").text
        return client

    yield open_
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(open_client: Callable[..., TestClient]) -> TestClient:
    return open_client()
