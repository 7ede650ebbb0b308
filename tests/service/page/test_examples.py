"""The examples of the page: pictures that may be analysed without an upload, and nothing else of the folder."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from inference.prediction.classifier import Classifier
from service.http.upload_bounds import Uploads
from tests.support.lesion_images import lesion
from tests.support.locales import LOCALES

WAYS = ("/", "/result")


@pytest.mark.parametrize("path", WAYS)
def test_an_example_needs_no_upload(client: TestClient, path: str) -> None:
    assert client.get("/examples/drawn-1.jpg").headers["content-type"] == "image/jpeg"
    response = client.post(f"{path}?example=drawn-1.jpg")
    assert response.status_code == 200
    assert 'data-outcome="result"' in response.text


def test_an_example_is_no_upload_that_arrives(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not keep uploads of the same client out while it is answered."""
    told: list[str] = []
    monkeypatch.setattr(Uploads, "arrived", noting("arrived", Uploads.arrived, told))
    monkeypatch.setattr(Classifier, "run", noting("run", Classifier.run, told))
    assert client.post("/result?example=drawn-1.jpg").status_code == 200
    assert told == ["arrived", "run"]


def noting(name: str, original: Callable[..., Any], told: list[str]) -> Callable[..., Any]:
    def noted(*args: Any) -> Any:
        told.append(name)
        return original(*args)

    return noted


def test_a_folder_of_examples_that_may_not_be_entered_has_none(
    open_client: Callable[..., TestClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.png").write_bytes(lesion("PNG"))
    client, is_file = open_client(examples_dir=tmp_path), Path.is_file

    def refuse(path: Path) -> bool:
        if path.parent == tmp_path:
            raise PermissionError(13, "Permission denied")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refuse)  # an administrator may enter any folder
    assert client.get("/").status_code == 200
    assert client.get("/examples/mine.png").status_code == 404


@pytest.mark.parametrize(
    "name", ["nobody.jpg", f"{'a' * 300}.png", "../page.css", "..%2f..%2fLICENSE", ".hidden.jpg", "notes.txt"]
)
def test_nothing_but_examples_can_be_asked_for(
    open_client: Callable[..., TestClient], tmp_path: Path, name: str
) -> None:
    for each in (".hidden.jpg", "notes.txt", "mine.png"):
        (tmp_path / each).write_bytes(lesion("PNG"))
    client = open_client(examples_dir=tmp_path)
    page = client.get("/").text
    assert "mine.png" in page
    assert "notes.txt" not in page
    assert LOCALES["es"].texts["examples"]["heading"] in page
    assert client.get("/examples/mine.png").status_code == 200
    assert client.get(f"/examples/{name}").status_code == 404
    response = client.post("/result", params={"example": name})
    assert response.status_code == 400
    assert LOCALES["es"].texts["problems"]["no-image"]["title"] in response.text


def test_examples_are_what_every_browser_shows(open_client: Callable[..., TestClient], tmp_path: Path) -> None:
    names = ["a.jpg", "b.JPEG", "c.png", "d.webp", "e.bmp", "f.avif", "g.tif", "h.heic", "i.dcm"]
    for name in names:
        (tmp_path / name).write_bytes(lesion())
    page = open_client(examples_dir=tmp_path).get("/").text
    assert re.findall('data-example="/examples/(.*?)"', page) == names[:6]


def test_a_name_that_is_no_text_is_no_example(open_client: Callable[..., TestClient], tmp_path: Path) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/lesi\xf3n.jpg")).write_bytes(lesion())
    page = open_client(examples_dir=tmp_path).get("/")
    assert page.status_code == 200
    assert "data-example" not in page.text


def test_a_folder_of_examples_that_is_not_there_is_no_gallery(
    open_client: Callable[..., TestClient], tmp_path: Path
) -> None:
    page = open_client(examples_dir=tmp_path / "nowhere").get("/")
    assert page.status_code == 200
    assert "data-example" not in page.text
