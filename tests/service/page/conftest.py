"""Bundles in a registry, and their model page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from inference.bundle.storage import Bundle
from inference.registry.mlflow_registry import Registry
from service.settings import Settings
from tests.support.dressed_bundle import dress


@pytest.fixture(scope="module")
def trained(fake_bundle: Bundle, starter: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The fake network with the starter's numbers and curves: fast, and everything is there to be shown."""
    return dress(fake_bundle, starter, tmp_path_factory.mktemp("trained") / "bundle", curves=True)


@pytest.fixture(scope="module")
def without_curves(fake_bundle: Bundle, starter: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return dress(fake_bundle, starter, tmp_path_factory.mktemp("plain") / "bundle", curves=False)


@pytest.fixture(scope="module")
def publish(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Bundle], Path]:
    """The home of a registry that serves a bundle; one a bundle, because making its tables takes seconds."""
    homes: dict[Path, Path] = {}

    def publish_(bundle: Bundle) -> Path:
        if bundle.path not in homes:
            homes[bundle.path] = tmp_path_factory.mktemp("home")
            Registry(Settings(home=homes[bundle.path])).publish(bundle, alias="champion", source="test")
        return homes[bundle.path]

    return publish_


@pytest.fixture
def show(open_client: Callable[..., TestClient], publish: Callable[[Bundle], Path]) -> Callable[..., str]:
    """The page of a bundle, as HTML."""

    def show_(bundle: Bundle, language: str = "es") -> str:
        response = open_client(home=publish(bundle)).get(f"/model-card?lang={language}")
        assert response.status_code == 200
        return response.text

    return show_
