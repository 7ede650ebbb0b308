"""Uploads made to harm: each has a defined answer. Beside it: test_bad_input in test_api, and the mutations."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.support import http
from tests.support.homes import copy_home
from tests.support.lesion_images import lesion
from tests.support.service_process import service_process

JPEG = lesion()
SECRET = "patient-47-11"
SIDE = 12_000  # 144 megapixels: above the limit, below what the formats can say


def strip(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 150, 120)).save(buffer, "PNG")
    return buffer.getvalue()


def png_bomb() -> bytes:
    """A header of 144 megapixels and a few hundred bytes that unpack to them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 10_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff_bomb() -> bytes:
    """A TIFF of one strip that claims 144 megapixels."""
    buffer = io.BytesIO()
    Image.new("1", (SIDE, SIDE)).save(buffer, "TIFF", compression="group4")
    return buffer.getvalue()


def webp_bomb() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE)).save(buffer, "WEBP", quality=0, method=0)
    return buffer.getvalue()


CASES: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "PNG bomb": (png_bomb, 413, "image-too-large"),
    "TIFF bomb": (tiff_bomb, 413, "image-too-large"),
    "WebP bomb": (webp_bomb, 413, "image-too-large"),
    "nothing": (lambda: b"", 400, "no-image"),
    "one byte": (lambda: b"\xff", 415, "unsupported-format"),
    "1 x 1": (lambda: strip(1, 1), 200, ""),
    "1 x 20000": (lambda: strip(1, 20_000), 200, ""),
    "20000 x 1": (lambda: strip(20_000, 1), 200, ""),
    "JPEG and then HTML": (lambda: JPEG + b"<script>alert(1)</script>", 200, ""),
    "JPEG and then a zip": (lambda: JPEG + b"PK\x03\x04" + b"\0" * 60, 200, ""),
    "PDF and then a JPEG": (lambda: b"%PDF-1.7\n" + JPEG, 415, "unsupported-format"),
    "HTML and then a JPEG": (lambda: b"<html>" + JPEG, 415, "unsupported-format"),
    "SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', 415, "unsupported-format"),
    "zip": (lambda: b"PK\x03\x04" + b"\0" * 200, 415, "unsupported-format"),
    "cut off": (lambda: JPEG[: len(JPEG) // 2], 422, "unreadable-image"),
}


@pytest.mark.parametrize("path", ["/predict", "/explain", "/result"])
@pytest.mark.parametrize("case", CASES)
def test_what_was_made_to_harm_gets_its_answer(client: TestClient, case: str, path: str) -> None:
    make, status, slug = CASES[case]
    response = client.post(path, content=make(), headers={"Content-Type": "image/jpeg"})
    assert response.status_code == status, response.text[:300]
    if status == 200:
        return
    if path != "/result":
        assert response.json()["type"] == f"urn:lunar:problem:{slug}"
    assert "Traceback" not in response.text


def test_metadata_goes_nowhere(starter_home: Path, tmp_path: Path) -> None:
    """Neither into an answer, nor a log, nor a file: words and the date of the place in EXIF, a comment.

    At the level debug Pillow would log every tag.
    """
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = SECRET
    exif.get_ifd(0x8825)[29] = SECRET
    jpeg = lesion(exif=exif, comment=SECRET.encode())
    assert SECRET.encode() in jpeg
    home = copy_home(starter_home, tmp_path / "home")  # with a log of its own
    with service_process(home, log_level="debug", audit_file=str(tmp_path / "audit.log")) as (address, _):
        for path in ("/predict", "/explain?target=all", "/result", "/"):
            said = http.post(f"{address}{path}", content=jpeg, headers={"Content-Type": "image/jpeg"})
            assert said.status_code == 200
            assert SECRET not in said.text
            assert SECRET not in str(said.headers)
    for log in (home / "service.log", tmp_path / "audit.log"):
        assert "answered" in log.read_text()
        assert SECRET not in log.read_text()
