"""What exactly is wrong with an image, in the language of the page."""

import io
import re
from collections.abc import Callable
from html import unescape

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pydicom import uid

from inference.domain.taxonomy import LANGUAGES
from inference.imaging.decoding import decode
from inference.imaging.errors import ImageError
from tests.support.dicom_files import dicom_file
from tests.support.lesion_images import lesion
from tests.support.locales import LOCALES
from tests.support.paths import ROOT

GOOD = lesion()


def posted(client: TestClient, language: str, data: bytes) -> str:
    return unescape(client.post(f"/?lang={language}", files={"file": ("lesion.jpg", data, "image/jpeg")}).text)


def transparent() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (8, 8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_detail_of_a_problem_is_in_the_language_of_the_page(client: TestClient, language: str) -> None:
    detail = client.post("/predict", files={"file": b"GIF89a"}).json()["detail"]
    page = posted(client, language, b"GIF89a")
    assert (detail in page) == (language == "en")
    assert ("El contenido es GIF. Formatos admitidos: JPEG" in page) == (language == "es")


DETAILS = {
    "content": b"II*\0\b\0\0\0\1\0\x12\xc6\1\0\4\0\0\0\1\4\0\0\0\0\0\0",
    "no-image": b"words",
    "damaged": GOOD[:-300],
    "segments": b"\xff\xd8" + b"\xff\xfe\0\2" * 5001,
    "transparent": transparent(),
    "dicom-kind": dicom_file(sop_class=uid.CTImageStorage),
    "dicom-syntax": dicom_file(syntax=uid.DeflatedExplicitVRLittleEndian),
}


@pytest.mark.parametrize("cause", DETAILS)
def test_details_of_images_have_words_in_spanish(client: TestClient, cause: str) -> None:
    with pytest.raises(ImageError) as raised:
        decode(DETAILS[cause])
    assert raised.value.cause == cause
    words = LOCALES["es"].detail(cause, raised.value.facts)
    assert words
    assert words in posted(client, "es", DETAILS[cause])
    assert "a camera raw file" not in words


def test_numbers_of_a_detail_are_written_as_on_the_rest_of_the_page() -> None:
    facts = {"width": 12_000, "height": 900, "most": 0.5}
    written = {language: LOCALES[language].detail("pixels", facts) for language in LANGUAGES}
    assert written == {
        "es": "La imagen tiene 12\u202f000 × 900 píxeles; se admiten hasta 0,5 millones.",
        "en": "The image has 12,000 x 900 pixels; at most 0.5 million are accepted.",
    }


def test_every_cause_has_words() -> None:
    """Causes are written where the errors are raised."""
    sources = [path.read_text() for room in ("inference", "service") for path in (ROOT / room).rglob("*.py")]
    causes = {cause for text in sources for cause in re.findall(r"cause\"?[=:] ?\"([\w-]+)\"", text)}
    assert causes == set(LOCALES["es"].texts["details"])


def test_limits_are_written_as_the_language_does(open_client: Callable[..., TestClient]) -> None:
    client = open_client(max_body_bytes=20 * 2**20)
    for language, limit in (("es", "20,9715"), ("en", "20.9715")):
        assert f"{limit}\N{NO-BREAK SPACE}MB" in client.get(f"/?lang={language}").text
