"""What the page says of a prediction, and which pictures it sends to whom."""

import io
import re
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from PIL import Image

from inference.domain.model_version import ModelVersion
from inference.domain.taxonomy import CLASSES, LANGUAGES
from inference.prediction.classifier import Analysis, Classifier, Prediction
from service.page.renderer import Outcome, PageRenderer, of_ten
from service.page.result_view import Pictures, draw_pictures, result_view
from service.page.routes import MAPS
from service.serving.served_model import ServedModel
from service.settings import Settings
from tests.support.lesion_images import lesion
from tests.support.locales import LOCALES

SHARES = {"mel": 0.589, "nv": 0.3, "bcc": 0.05}


@pytest.fixture(scope="module")
def analysis(fake_classifier: Classifier) -> Analysis:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    exif[0x010E] = "somebody"
    prepared = fake_classifier.prepare(lesion(width=1600, height=1200, exif=exif))
    return fake_classifier.analyse(prepared, fake_classifier.run(prepared.batch), MAPS)


def page_of(classifier: Classifier, analysis: Analysis, language: str = "en", **changes: object) -> str:
    """The result as a browser without a script gets it, of a prediction with these values."""
    probabilities = np.array([SHARES.get(code, 0.061 / 4) for code in CLASSES])
    prediction = Prediction(probabilities, 0.423, "moderate", "medium", (), measured_accuracy=0.58)
    analysis = replace(analysis, prediction=replace(prediction, **changes))
    served = ServedModel(classifier, ModelVersion("fake", "1", None, "", "test"))
    shown = result_view(analysis, served, pictures=Pictures(None, None), request_id="one")
    request = Request({"type": "http", "query_string": f"lang={language}".encode(), "headers": []})
    html = PageRenderer(Settings()).render("result.html", request, outcome=Outcome(result=shown))
    return " ".join(html.split())


def risk_panel(html: str) -> str:
    return re.search(r'<section class="risk.*?</section>', html)[0]  # type: ignore[index]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("level", ["low", "moderate"])
def test_a_malignant_class_is_called_malignant_whatever_the_level(
    fake_classifier: Classifier, analysis: Analysis, level: str, language: str
) -> None:
    risk = LOCALES[language].texts["risk"]
    panel = risk_panel(page_of(fake_classifier, analysis, language, risk=level))
    assert risk["malignant_class"] in panel
    assert risk[f"{level}_means"] not in panel


def test_a_benign_class_keeps_the_words_of_its_level(fake_classifier: Classifier, analysis: Analysis) -> None:
    benign = np.array([0.9 if code == "nv" else 0.1 / 6 for code in CLASSES])
    html = page_of(fake_classifier, analysis, probabilities=benign, risk="low")
    texts = LOCALES["en"].texts
    assert texts["risk"]["low_means"] in risk_panel(html)
    assert texts["classes"]["confirmed"] in html


def test_confidence_is_how_many_of_ten_answers_are_right(fake_classifier: Classifier, analysis: Analysis) -> None:
    texts = LOCALES["en"].texts
    html = page_of(fake_classifier, analysis)
    assert texts["right"]["of_ten"].format(count=6) in html
    assert texts["confidence"]["medium"] not in html
    assert texts["confidence"]["medium"] in page_of(fake_classifier, analysis, measured_accuracy=None)


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.01, 1), (0.44, 4), (0.957, 9), (0.999, 9), (1.0, 10)])
def test_what_is_sometimes_wrong_is_not_always_right(share: float, count: int) -> None:
    assert of_ten(share) == count


def test_the_malignant_sum_is_a_score(fake_classifier: Classifier, analysis: Analysis) -> None:
    panel = risk_panel(page_of(fake_classifier, analysis))
    assert "42.3</span> out of 100: score" in panel
    assert "%" not in panel


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("warning", ["out_of_distribution", "untrained_model"])
def test_what_is_not_reliable_has_no_level_and_no_colour(
    fake_classifier: Classifier, analysis: Analysis, warning: str, language: str
) -> None:
    texts = LOCALES[language].texts
    html = page_of(fake_classifier, analysis, language, warnings=(warning,), risk="low")
    panel = risk_panel(html)
    assert 'class="risk risk-unreliable" data-risk="unreliable"' in panel
    assert texts["risk"]["unreliable"] in panel
    assert texts["risk"]["low"] not in html
    announced = re.search(r'data-announcement="(.*?)"', html)[1]  # type: ignore[index]
    message = re.search(rf'data-warning="{warning}">.*?<p>(.*?)</p>', html)[1]  # type: ignore[index]
    assert announced.startswith(message), "the warning comes first"
    assert texts["risk"]["unreliable"] in announced
    assert texts["classes"]["cards"]["mel"]["follows"] not in html


@pytest.mark.parametrize("warning", ["low_resolution", "blurred", "dark"])
def test_a_doubtful_level_says_so(fake_classifier: Classifier, analysis: Analysis, warning: str) -> None:
    panel = risk_panel(page_of(fake_classifier, analysis, warnings=(warning,), risk="low"))
    risk = LOCALES["en"].texts["risk"]
    assert "data-doubtful" in panel
    assert f"{risk['low']}, {risk['cautious']}" in panel
    assert risk["cautious_means"] in panel


def test_the_pictures_are_upright_reduced_and_without_metadata(analysis: Analysis) -> None:
    shown = draw_pictures(analysis, original=True, drawn=True)
    urls = [url or "" for url in (shown.original, shown.overlay)]
    pictures = [Image.open(io.BytesIO(b64decode(url.partition(",")[2]))) for url in urls]
    for picture in pictures:
        assert (picture.format, picture.size) == ("JPEG", (768, 1024))
        assert not picture.getexif()
    assert np.abs(np.asarray(pictures[0], float) - np.asarray(pictures[1], float)).mean() > 1, "no map on the overlay"


def animated() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 3
    return lesion("PNG", exif=exif)


@pytest.mark.parametrize(
    ("data", "query", "sent"),
    [
        (lesion("JPEG"), "", False),
        (lesion("PNG"), "", False),
        (lesion("WEBP"), "", False),
        (lesion("BMP"), "", False),
        (lesion("JPEG"), "?picture=1", True),
        (lesion("TIFF"), "", True),
        (animated(), "", True),
        (turned(), "", True),
    ],
    ids=["JPEG", "PNG", "WebP", "BMP", "asked for", "TIFF", "moving", "turned PNG"],
)
def test_a_script_gets_the_picture_only_if_its_browser_cannot_show_the_file(
    client: TestClient, data: bytes, query: str, sent: bool
) -> None:
    html = client.post(f"/result{query}", files={"file": data}).text
    assert html.count('data-original src="data:image/jpeg') == (len(LANGUAGES) if sent else 0)
    assert "data-overlay src" not in html


def test_a_large_photo_costs_a_script_no_more_than_a_small_one(client: TestClient) -> None:
    sizes = {
        width: len(client.post("/result", files={"file": lesion(width=width, height=width * 3 // 4)}).content)
        for width in (600, 2000)
    }
    assert abs(sizes[2000] - sizes[600]) < 2000
    assert sizes[2000] < 60_000
