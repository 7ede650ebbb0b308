"""The page, on a fake runtime: what it shows, in which language, and what it says when something is wrong."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from inference import colormap
from inference.taxonomy import LANGUAGES
from inference.wording import DISCLAIMER
from service.errors import INTERNAL, OPERATION, PROBLEMS
from service.locale import Locale, load_locales
from service.result import copy_original
from tests.running import ROOT
from tests.service.conftest import lesion

LOCALES = load_locales(ROOT / "templates/locales")
GOOD = lesion()
WAYS = ("/", "/result")


def post(client: TestClient, path: str, data: bytes = GOOD, *, name: str = "lesion.jpg") -> httpx2.Response:
    return client.post(path, files={"file": (name, data, "image/jpeg")})


def leaves(texts: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in texts.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def test_the_languages_have_the_same_texts_with_the_same_gaps() -> None:
    spanish, english = (leaves(dict(LOCALES[language].texts)) for language in LANGUAGES)
    assert spanish.keys() == english.keys()
    gaps = re.compile(r"{\w+}")
    for key in spanish:
        assert spanish[key].strip(), key
        assert sorted(gaps.findall(spanish[key])) == sorted(gaps.findall(english[key])), key


PAGE_PROBLEMS = sorted({problem.slug for kind, problem in PROBLEMS.items() if kind not in OPERATION} | {INTERNAL.slug})


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("slug", PAGE_PROBLEMS)
def test_every_problem_has_words_of_its_own(slug: str, language: str) -> None:
    words = LOCALES[language].texts["problems"][slug]
    assert words["title"]
    assert words["advice"]


@pytest.mark.parametrize(
    ("share", "spanish", "english"),
    [
        (0.8123, "81,2\u202f%", "81.2%"),
        (0.0, "0,0\u202f%", "0.0%"),
        (1.0, "100,0\u202f%", "100.0%"),
        (0.0004, "< 0,1\u202f%", "< 0.1%"),
        (0.99991, "> 99,9\u202f%", "> 99.9%"),
    ],
)
def test_percent(share: float, spanish: str, english: str) -> None:
    assert LOCALES["es"].percent(share) == spanish
    assert LOCALES["en"].percent(share) == english


@pytest.mark.parametrize(
    ("query", "header", "expected"),
    [
        ("", "", "es"),
        ("", "en-GB,en;q=0.9", "en"),
        ("?lang=es", "en", "es"),
        ("?lang=en", "es", "en"),
        ("?lang=fr", "en", "en"),
        ("?lang=%22%3E%3Cscript%3E", "", "es"),
    ],
)
def test_the_language_is_chosen_by_parameter_then_header(
    client: TestClient, query: str, header: str, expected: str
) -> None:
    response = client.get(f"/{query}", headers={"Accept-Language": header})
    assert response.status_code == 200
    assert f'<html lang="{expected}">' in response.text
    assert response.headers["Content-Language"] == expected
    assert LOCALES[expected].texts["intro"]["heading"] in response.text
    assert f'action="/?lang={expected}"' in response.text
    assert f'data-partial="/result?lang={expected}"' in response.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_names_the_model_and_says_what_it_is_not(client: TestClient, language: str) -> None:
    page = client.get(f"/?lang={language}").text
    assert "skin-lesion v1" in page
    assert DISCLAIMER[language].replace("'", "&#39;") in page
    assert LOCALES[language].texts["form"]["privacy"] in page


@pytest.mark.parametrize("path", WAYS)
def test_both_ways_show_the_same_result(client: TestClient, path: str) -> None:
    answer = client.post("/explain", files={"file": GOOD}).json()
    response = post(client, path)
    assert response.status_code == 200
    spanish, html = LOCALES["es"], response.text
    shown = re.findall(r'data-class="(\w+)".*?class="number">(.*?)<', html, re.DOTALL)
    expected = sorted(answer["probabilities"].items(), key=lambda each: -each[1])
    assert [(code, number.replace("&lt;", "<").replace("&gt;", ">")) for code, number in shown] == [
        (code, spanish.percent(probability)) for code, probability in expected
    ]
    assert f'<h2 id="verdict">{answer["prediction"]["name"]}</h2>' in html
    assert f'data-risk="{answer["risk"]["level"]}"' in html
    assert spanish.texts["risk"][answer["risk"]["level"]] in html
    assert spanish.texts["confidence"][answer["prediction"]["confidence"]] in html
    assert answer["warnings"][0]["message"] in html
    assert answer["explanations"][0]["overlay"] in html
    assert 'src="data:image/jpeg;base64,' in html
    assert html.startswith("<!doctype html>") == (path == "/")


def test_the_partial_is_a_part_of_the_page(client: TestClient) -> None:
    partial, page = (post(client, path).text for path in ("/result", "/"))
    assert "".join(partial.split()) in "".join(page.split())


def test_the_copy_of_the_original_is_upright_reduced_and_without_metadata(fake_classifier: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    exif[0x010E] = "somebody"
    data = lesion(width=1600, height=1200, exif=exif)
    prepared = fake_classifier.prepare(data)
    found = fake_classifier.explain(prepared, fake_classifier.run(prepared.batch), _question())
    copy = Image.open(io.BytesIO(copy_original(found)))
    assert copy.format == "JPEG"
    assert copy.size == (768, 1024)
    assert not copy.getexif()
    assert copy.size == Image.open(io.BytesIO(found.maps[0].overlay)).size


def _question() -> Any:
    from inference.explanation import Question

    return Question(render="overlay")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", WAYS)
@pytest.mark.parametrize(
    ("data", "status", "slug"),
    [(b"", 400, "no-image"), (b"GIF89a", 415, "unsupported-format"), (GOOD[:200], 422, "unreadable-image")],
)
def test_a_problem_is_told_in_the_language_of_the_page(
    client: TestClient, path: str, language: str, data: bytes, status: int, slug: str
) -> None:
    response = post(client, f"{path}?lang={language}", data)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert LOCALES[language].texts["problems"][slug]["title"] in response.text
    assert response.headers["X-Request-ID"] in response.text
    assert 'data-outcome="result"' not in response.text


@pytest.mark.parametrize("path", WAYS)
def test_too_many_bytes(open_client: Callable[..., TestClient], path: str) -> None:
    response = post(open_client(max_body_bytes=1000), path, b"\xff\xd8\xff" + b"0" * 2000)
    assert response.status_code == 413
    assert LOCALES["es"].texts["problems"]["body-too-large"]["title"] in response.text


def test_two_files_are_one_too_many(client: TestClient) -> None:
    response = client.post("/", files=[("file", ("a.jpg", GOOD)), ("file", ("b.jpg", GOOD))])
    assert response.status_code == 400
    assert LOCALES["es"].texts["problems"]["several-images"]["title"] in response.text


def test_before_there_is_a_model_the_page_says_so(open_client: Callable[..., TestClient], tmp_path: Path) -> None:
    from service.app import create_app
    from service.settings import Settings

    with TestClient(create_app(Settings(home=tmp_path))) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert LOCALES["es"].texts["waiting"]["title"] in page.text
        response = post(client, "/result")
    assert response.status_code == 503
    seconds = response.headers["Retry-After"]
    assert LOCALES["es"].texts["problem"]["retry_after"].format(seconds=seconds) in response.text


@pytest.mark.parametrize("path", WAYS)
def test_a_file_name_is_never_markup(client: TestClient, path: str) -> None:
    assert "<b>name" not in post(client, path, name="<b>name</b>.jpg").text
    assert "<b>name" not in post(client, path, b"GIF89a", name="<b>name</b>.jpg").text


def test_nothing_on_the_page_needs_what_the_content_policy_forbids(client: TestClient) -> None:
    for html in (client.get("/").text, post(client, "/").text, post(client, "/", b"GIF89a").text):
        assert not re.search(r"\sstyle=|\son\w+=|javascript:|<style", html)
        assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)", html)
        for file in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
            assert client.get(file).status_code == 200, file


def test_files_are_asked_for_again(client: TestClient) -> None:
    first = client.get("/static/page.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get("/static/page.js", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert client.get("/").headers["Cache-Control"] == "no-store"


def test_the_browser_has_the_same_colours() -> None:
    assert (ROOT / "static/colormap.js").read_text() == colormap.javascript()


def test_a_language_is_one_file() -> None:
    files = {path.stem for path in (ROOT / "templates/locales").glob("*.json")}
    assert files == set(LANGUAGES)
    assert all(isinstance(each, Locale) for each in LOCALES.values())
    assert json.loads((ROOT / "templates/locales/es.json").read_text())["page"]["name"] == "Español"
