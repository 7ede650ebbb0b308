"""The model page on bundles that are trained, untrained and without curves: what it says, and how it draws."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from inference import __version__
from inference.bundle.storage import Bundle
from inference.domain.taxonomy import BY_CODE, CLASSES, LANGUAGES
from inference.prediction.messages import DISCLAIMER
from service.app import create_app
from service.page.model_card import OVERALL
from service.settings import Settings
from tests.support.dressed_bundle import dress
from tests.support.fakes import write_fake_bundle
from tests.support.html_text import rows, words
from tests.support.int8_manifest import BFLOAT16, FP32, QUANTISATION
from tests.support.locales import LOCALES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_of_the_manifest_is_there_as_the_language_writes_it(
    show: Callable[..., str], trained: Bundle, language: str
) -> None:
    html, locale, metrics = show(trained, language), LOCALES[language], trained.manifest.metrics
    ledger = rows(html, "ledger")
    assert len(ledger) == len(OVERALL)
    for row, (name, share) in zip(ledger, OVERALL.items(), strict=True):
        each = metrics.overall[name]
        assert row[0].startswith(locale.texts["card"]["overall"][name]["name"])
        assert row[1] == (locale.percent(each.value) if share else locale.decimal(each.value))
        assert row[2] == locale.between(each.low, each.high, share=share)
    for row, code in zip(rows(html, "per-class"), CLASSES, strict=True):
        each = metrics.per_class[code]
        assert row[0] == f"{BY_CODE[code].name(language)} {code}"
        assert row[2] == f"{locale.percent(each['recall'].value)} " + locale.between(
            each["recall"].low, each["recall"].high, share=True
        )
        assert row[4].startswith(locale.percent(each["precision"].value))
        assert row[5].startswith(locale.decimal(each["f1"].value))
        assert row[6].startswith(locale.decimal(each["auc"].value))


def test_numbers_are_written_as_the_language_does(show: Callable[..., str], trained: Bundle) -> None:
    spanish, english = (words(show(trained, language)) for language in ("es", "en"))
    assert "0,821 0,812–0,830" in spanish  # an index, no share
    assert "75,4\u202f% 71,3–78,7\u202f%" in spanish
    assert "0,909 0,896–0,921" in spanish
    assert "4323" in spanish
    assert not re.search(
        r"\d\.\d+\u202f?%|0\.\d{3}\b", spanish.replace(__version__, "").replace("0.1.0", "").replace("CC BY-NC 4.0", "")
    )
    assert "75.4% 71.3–78.7%" in english
    assert "4,323" in english
    assert not re.search(r"\d,\d+\u202f?%|\b0,\d", english)


def test_the_page_says_that_held_out_images_were_looked_at_more_than_once(
    show: Callable[..., str], trained: Bundle
) -> None:
    read = {language: LOCALES[language].texts["card"]["numbers"]["read"] for language in LANGUAGES}
    assert trained.manifest.metrics.on_held_out_images
    for language in LANGUAGES:
        page = words(show(trained, language))
        assert read[language]["held_out_images"] in page
        assert read[language]["test_set"] not in page


def test_the_confusion_matrix_is_the_manifests(show: Callable[..., str], trained: Bundle) -> None:
    html, confusion = show(trained), trained.manifest.metrics.confusion
    for row, counts in zip(rows(html, "confusion"), confusion, strict=True):
        assert [int(cell.split()[0]) for cell in row[1:-1]] == list(counts)
        assert int(row[-1]) == sum(counts)
    assert html.count(" hit") == 7
    assert 'class="cell shade-5 hit"><span class="figure">3617</span>' in html


def test_every_chart_is_named_and_has_a_table_behind_it(show: Callable[..., str], trained: Bundle) -> None:
    html = show(trained, "en")
    drawn = re.findall(r"<svg[^>]*>", html)
    for each in drawn:
        assert 'aria-hidden="true"' in each or re.search(r'role="img" aria-label="[^"]{20,}"', each), each
    far = trained.ood_detector.evaluation.far.kinds
    assert sum("chart roc" in each for each in drawn) == len(CLASSES) + len(["malignant"]) + len(far)
    assert sum("chart reliability" in each for each in drawn) == 1
    assert sum("interval" in each for each in drawn) == 7 + len(OVERALL)
    assert html.count("<details>") == 3  # two tables, and images far from dermoscopy
    behind = words(html.partition("<details>")[2])
    for code in CLASSES:
        assert BY_CODE[code].en in behind
    melanoma = "ROC curve of Melanoma. Area: 0.909. At a specificity of 90%, the sensitivity is 70.3%."
    assert f'aria-label="{melanoma}"' in html


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_what_it_is_not_and_where_it_ends(show: Callable[..., str], trained: Bundle, language: str) -> None:
    html = show(trained, language)
    text, card = words(html), LOCALES[language].texts["card"]
    assert DISCLAIMER[language] in text
    for section in ("uses", "limits"):
        for key, sentence in card[section].items():
            # The starter's classes are balanced; probabilities at the data's frequencies are those of other bundles.
            assert (sentence in text) == (key != "frequencies"), key
    assert card["data"]["commerce"] in text
    assert trained.manifest.data.citation in text
    assert '<a href="/model">' in html
    locale = LOCALES[language]
    assert card["model"]["moderate"].format(threshold=locale.score(trained.manifest.thresholds.moderate)) in text


def test_a_licence_that_allows_commerce_is_not_said_to_forbid_it(
    show: Callable[..., str], fake_bundle: Bundle, starter: Bundle, tmp_path: Path
) -> None:
    free = starter.manifest.data.model_copy(update={"licence": "CC BY 4.0"})
    manifest = starter.manifest.model_copy(update={"data": free})
    other = Bundle(path=starter.path, manifest=manifest, head=starter.head, golden=starter.golden)
    text = words(show(dress(fake_bundle, other, tmp_path / "bundle", curves=True)))
    card = LOCALES["es"].texts["card"]
    assert "CC BY 4.0" in text
    assert card["data"]["commerce"] not in text
    assert card["uses"]["commerce"] not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_how_well_it_tells_other_images_or_that_it_cannot(
    show: Callable[..., str], trained: Bundle, without_curves: Bundle, language: str
) -> None:
    locale, evaluation = LOCALES[language], trained.ood_detector.evaluation
    said = locale.texts["card"]["model"]
    telling, silent = words(show(trained, language)), words(show(without_curves, language))
    measured = said["ood_evaluation"].format(
        flagged=locale.count(evaluation.flagged),
        photos=locale.count(evaluation.photos),
        source=locale.known(evaluation.source),
        auc=locale.decimal(evaluation.auc.value),
        between=locale.between(evaluation.auc.low, evaluation.auc.high, share=False),
    )
    assert measured in telling
    assert locale.percent(evaluation.test_flagged) in telling
    assert said["ood_limit"] in telling
    for name, kind in evaluation.far.kinds.items():
        assert f"{said['far_kinds'][name]}, {kind.images}: " in telling
    assert said["far_curves"] in telling
    curves = show(trained, language).partition(said["far_curves"])[2].partition("</details>")[0]
    assert curves.count('class="chart roc"') == len(evaluation.far.kinds)
    assert said["far_curves"] not in silent
    assert said["ood_none"] in silent
    assert said["ood_none"] not in telling
    assert said["ood_limit"] not in silent


def test_without_curves_the_tables_stay(show: Callable[..., str], without_curves: Bundle) -> None:
    html = show(without_curves)
    assert LOCALES["es"].texts["card"]["no_curves"] in words(html)
    assert "chart roc" not in html
    assert "#roc" not in html
    assert len(rows(html, "per-class")) == 7


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_untrained_bundle_has_no_results(show: Callable[..., str], fake_bundle: Bundle, language: str) -> None:
    html, card = show(fake_bundle, language), LOCALES[language].texts["card"]
    assert card["untrained"]["title"] in words(html)
    assert card["uses"]["diagnosis"] in words(html)
    assert "<table" not in html
    assert re.findall(r'href="#(\w+)"', html) == ["main", "uses", "model"]


def test_before_there_is_a_model_it_says_so(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(home=tmp_path)), base_url="http://localhost") as client:
        response = client.get("/model-card?lang=en")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["content-type"].startswith("text/html")
    assert LOCALES["en"].texts["card"]["waiting"]["title"] in response.text


def test_the_language_is_negotiated_and_the_page_links_here(client: TestClient) -> None:
    for header, language in (("en-GB", "en"), ("", "es"), ("fr", "es")):
        response = client.get("/model-card", headers={"Accept-Language": header})
        assert response.headers["Content-Language"] == language
        assert f'<html lang="{language}">' in response.text
    link = LOCALES["en"].texts["card"]["link"]
    assert f'<a href="/model-card?lang=en">{link}</a>' in client.get("/?lang=en").text


def test_nothing_needs_what_the_content_policy_forbids(show: Callable[..., str], trained: Bundle) -> None:
    html = show(trained)
    assert not re.search(r"\sstyle=|\son\w+=|javascript:|<style|<script|https?://", html)


def test_links_inside_the_page_lead_somewhere(show: Callable[..., str], trained: Bundle) -> None:
    html = show(trained)
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)


@pytest.mark.parametrize(
    ("number", "spanish", "english"),
    [(999, "999", "999"), (4323, "4323", "4,323"), (12345, "12\u202f345", "12,345")],
)
def test_counts(number: int, spanish: str, english: str) -> None:
    assert LOCALES["es"].count(number) == spanish
    assert LOCALES["en"].count(number) == english


@pytest.mark.parametrize("gated", [True, False])
def test_the_page_says_what_the_int8_graph_is_worth(show: Callable[..., str], tmp_path: Path, *, gated: bool) -> None:
    made = QUANTISATION if gated else QUANTISATION | {"gated": False, "comparison": None}
    graphs = {"openvino-fp32": FP32, "openvino-int8": FP32 | {"precision": "int8"}}
    bundle = write_fake_bundle(tmp_path / "bundle", graphs=graphs, quantisation=made)
    for language in LANGUAGES:
        words = LOCALES[language].texts["card"]["model"]
        page = unescape(show(bundle, language))
        assert words["int8"] in page
        assert (words["int8_ungated"] in page) is not gated
        for shown in ("71", "68") if gated else ():  # of fp32 and int8, in percent
            assert shown in page.partition(words["int8"])[2].partition("</dl>")[0]


def test_the_page_says_what_bf16_is_worth(show: Callable[..., str], tmp_path: Path) -> None:
    bundle = write_fake_bundle(tmp_path / "bundle", bfloat16=BFLOAT16)
    for language, said in (("es", "71\u202f% en bf16, 71\u202f% en fp32"), ("en", "71% in bf16, 71% in fp32")):
        page = unescape(show(bundle, language))
        assert LOCALES[language].texts["card"]["model"]["bf16"] in page
        assert said in page.replace(",0", "").replace(".0", "")


def test_the_spanish_card_has_no_english_sentence(show: Callable[..., str], trained: Bundle) -> None:
    """The citation of the data is a reference, which is quoted as it stands."""
    html = show(trained, "es")
    data, evaluation = trained.manifest.data, trained.ood_detector.evaluation
    text = words(html)
    for english in (data.name, data.split, data.pretraining, evaluation.source):
        assert english not in text
    assert re.findall(r'\blang="en">([^<]*)<', html) == [data.citation]
    for english in (data.name, data.split, data.pretraining):
        assert english in words(show(trained, "en"))
