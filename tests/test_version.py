"""Lunar's version: one constant, which every command, the API and the page show, and which other files repeat."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from inference import __version__
from service.app import create_app
from service.settings import Settings
from tests.support.service_process import ROOT
from tests.support.waiting import LIMIT_S

COMMANDS = ("inference", "inference.registry", "service", "service.keys", "training", "training.drawn")
TAGGED = (
    "docker-compose.yml",
    "deploy/secrets.sh",
    "docs/deployment.md",
    "tests/deploy/conftest.py",
    "tests/deploy/stack.py",
    "tests/kubernetes/test_manifests.py",
)


def test_pyproject_has_it() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__


@pytest.mark.parametrize("file", TAGGED)
def test_image_tags_have_it(file: str) -> None:
    tags = set(re.findall(r"lunar-(?:service|training|gpu):([\w.]+)", (ROOT / file).read_text()))
    assert tags == {__version__}


def test_the_kubernetes_tag_has_it() -> None:
    text = (ROOT / "deploy/kubernetes/kustomization.yaml").read_text()
    assert re.findall(r"newTag: (\S+)", text) == [__version__]


def test_the_changelog_begins_with_it() -> None:
    assert re.findall(r"^## \[([\w.]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == __version__


@pytest.mark.parametrize("module", COMMANDS)
def test_every_command_shows_it(module: str) -> None:
    command = [sys.executable, "-m", module, "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert done.stdout == f"Lunar {__version__}\n"


def test_the_page_and_openapi_show_it(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path))
    page = TestClient(app, base_url="http://localhost")  # without a lifespan: no model is needed
    assert f"Lunar {__version__}</p>" in page.get("/").text
    assert f"Lunar {__version__}</p>" in page.get("/model-card").text
    assert page.get("/openapi.json").json()["info"]["version"] == __version__
