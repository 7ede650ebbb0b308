"""The API on a fake runtime: fast, over a real registry, in this process."""

import io
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from inference.bundle import Bundle
from inference.registry import Registry
from inference.runtimes import RUNTIMES
from service.app import create_app
from service.settings import Settings
from training.drawn import draw_lesion


def lesion(format_: str = "JPEG", *, width: int = 60, height: int = 45, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_lesion(width=width, height=height, seed=1)).save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def fake_settings(fake_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose registry serves the fake bundle."""
    settings = Settings(home=tmp_path_factory.mktemp("fake-home"))
    Registry(settings).publish(fake_bundle, alias="champion", source="test")
    return settings


@pytest.fixture
def open_client(fake_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., TestClient]]:
    """Opens a ready client; `changes` replace settings."""
    monkeypatch.setitem(RUNTIMES, "openvino", "tests.fakes:FakeRuntime")
    clients: list[TestClient] = []

    def open_(**changes: object) -> TestClient:
        client = TestClient(create_app(fake_settings.model_copy(update=changes)), base_url="http://localhost")
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
