"""The body of a request: never on disk, bounded to the byte, and refused before it is read."""

import io
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.support.lesion_images import lesion
from tests.support.waiting import LIMIT_S

GOOD = lesion()


def noise(side: int) -> bytes:
    """A PNG of about 3 * side * side bytes."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("path", ["/predict", "/explain", "/result"])
@pytest.mark.parametrize("side", [40, 800], ids=["5 kB", "2 MB"])
def test_an_upload_never_touches_the_disk(
    client: TestClient, path: str, side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no folder for temporary files: whoever wants to write one fails."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError):
        tempfile.mkstemp()
    response = client.post(path, files={"file": ("lesion.png", noise(side), "image/png")})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(("allowed", "status"), [(len(GOOD), 200), (len(GOOD) - 1, 413)])
@pytest.mark.parametrize("chunked", [True, False])
def test_the_limit_of_bytes_is_exact(
    open_client: Callable[..., TestClient], allowed: int, status: int, chunked: bool
) -> None:
    """Whether the length is declared or only found out."""
    body = (part for part in (GOOD[:100], GOOD[100:])) if chunked else GOOD
    response = open_client(max_body_bytes=allowed).post("/predict", content=body)
    assert response.status_code == status, response.text


def test_a_body_that_is_declared_too_large_is_refused_before_it_is_sent(starter_service: str) -> None:
    """At a real service, whose client sends the head of its request and then waits for the answer."""
    host, _, port = starter_service.removeprefix("http://").partition(":")
    head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\nContent-Length: 99999999999\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=LIMIT_S) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_the_name_of_the_content_type_may_be_written_in_capitals(client: TestClient) -> None:
    request = client.build_request("POST", "/predict", files={"file": ("lesion.jpg", GOOD, "image/jpeg")})
    kind, _, boundary = request.headers["content-type"].partition(";")
    request.headers["content-type"] = f"{kind.title()};{boundary}"
    assert client.send(request).status_code == 200


@pytest.mark.parametrize(("fields", "status"), [(16, 200), (17, 400)])
def test_the_number_of_text_fields_is_bounded(client: TestClient, fields: int, status: int) -> None:
    data = {"lang": ["en"] * fields}
    response = client.post("/predict", files={"file": ("lesion.jpg", GOOD, "image/jpeg")}, data=data)
    assert response.status_code == status, response.text
    assert status == 200 or response.json()["type"] == "urn:lunar:problem:broken-upload"
