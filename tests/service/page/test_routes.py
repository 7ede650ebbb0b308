"""The page, on a fake runtime: what it shows, in which language, and what it says when something is wrong."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from inference.domain.taxonomy import LANGUAGES
from inference.explainers import colormap
from inference.prediction.classifier import Analysis, Classifier
from inference.prediction.messages import DISCLAIMER
from service.http.problems import ELSEWHERE, INTERNAL, PROBLEMS
from service.page.localization import Locale
from tests.support.lesion_images import lesion
from tests.support.locales import LOCALES
from tests.support.paths import ROOT

GOOD = lesion()
WAYS = ("/", "/result")


def post(client: TestClient, path: str, data: bytes = GOOD, *, name: str = "lesion.jpg") -> httpx2.Response:
    return client.post(path, files={"file": (name, data, "image/jpeg")})


def in_language(html: str, language: str) -> str:
    """The part of a script's reply in a language; a whole page is in one language."""
    parts = re.split(r'<div data-language="(\w+)"', html)
    return parts[parts.index(language) + 1] if len(parts) > 1 else html


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


PAGE_PROBLEMS = sorted({problem.slug for kind, problem in PROBLEMS.items() if kind not in ELSEWHERE} | {INTERNAL.slug})


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
    spanish, html = LOCALES["es"], in_language(response.text, "es")
    shown = re.findall(r'data-class="(\w+)".*?class="number">(.*?)<', html, re.DOTALL)
    expected = sorted(answer["probabilities"].items(), key=lambda each: -each[1])
    assert [(code, number.replace("&lt;", "<").replace("&gt;", ">")) for code, number in shown] == [
        (code, spanish.percent(probability)) for code, probability in expected
    ]
    assert f'<h2 id="verdict">{answer["prediction"]["name"]}</h2>' in html
    assert answer["risk"]["reliable"] is False, "the fake is untrained"
    assert 'data-risk="unreliable"' in html
    assert spanish.texts["risk"]["unreliable"] in html
    assert answer["warnings"][0]["message"] in html
    has_script = path == "/result"
    assert html.count("data-map=") == (14 if has_script else 0)
    assert html.count('src="data:image/jpeg;base64,') == (0 if has_script else 2)
    assert html.startswith("<!doctype html>") == (path == "/")


def test_a_script_gets_the_result_in_every_language(client: TestClient) -> None:
    html = post(client, "/result").text
    for language in LANGUAGES:
        part = in_language(html, language)
        assert LOCALES[language].texts["result"]["ranking"] in part
        answer = json.loads(re.search(r"data-answer='([^']+)'", part)[1])  # type: ignore[index]
        reply = client.post(f"/predict?lang={language}", files={"file": GOOD}).json()
        assert answer | {"request_id": None} == reply | {"request_id": None}


def test_an_empty_map_is_a_warning_only_for_the_class_that_is_shown(client: TestClient) -> None:
    """The fake's maps are empty for some classes, and never for the predicted one."""
    answer = client.post("/explain?target=all&method=all", content=GOOD).json()
    assert "no_positive_evidence" in [warning["code"] for warning in answer["warnings"]]
    html = post(client, "/result").text
    assert 'data-warning="untrained_model"' in html
    assert 'data-warning="no_positive_evidence"' not in html


def test_without_a_script_an_empty_map_is_said_to_be_empty(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    words, analyse = LOCALES["es"].texts["result"], Classifier.analyse
    note = re.compile(r'data-region="[^"]*">([^<]+)</span>')
    found = note.search(post(client, "/").text)
    assert found and found[1].startswith(words["overlay_note"].partition("{name}")[0])

    def without_evidence(*args: Any, **options: Any) -> Analysis:
        analysis = analyse(*args, **options)
        return replace(analysis, maps=tuple(replace(each, peak=0.0, evidence=None) for each in analysis.maps))

    monkeypatch.setattr(Classifier, "analyse", without_evidence)
    found = note.search(post(client, "/").text)
    assert found and found[1].startswith(words["empty_note"].partition("{name}")[0])
    assert words["region"].partition("{words}")[0] not in found[1]


@pytest.mark.parametrize(("asked", "views"), [("", 1), ("?tta=4", 4), ("?tta=3", 1), ("?tta=<b>", 1)])
def test_views_are_an_option(client: TestClient, asked: str, views: int) -> None:
    html = post(client, f"/{asked}").text
    assert f"vistas: {views}." in html
    assert re.search(rf'data-views="{views}"[^>]* aria-current="true"', html)


def test_the_result_says_where_it_comes_from(client: TestClient) -> None:
    response = post(client, "/result")
    assert f"<code>{response.headers['X-Request-ID']}</code>" in response.text
    assert "skin-lesion v1, fake, 32 × 32" in response.text
    assert DISCLAIMER["es"] in response.text
    assert re.search(r'<time datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"', response.text)


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

    with TestClient(create_app(Settings(home=tmp_path)), base_url="http://localhost") as client:
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


def test_the_browser_has_the_same_colours() -> None:
    assert (ROOT / "static/colormap.js").read_text() == colormap.javascript()


def test_a_language_is_one_file() -> None:
    files = {path.stem for path in (ROOT / "templates/locales").glob("*.json")}
    assert files == set(LANGUAGES)
    assert all(isinstance(each, Locale) for each in LOCALES.values())
    assert json.loads((ROOT / "templates/locales/es.json").read_text())["page"]["name"] == "Español"
