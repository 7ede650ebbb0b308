"""What leaves the table: files and paper."""

import csv
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from inference.domain.taxonomy import CLASSES
from inference.prediction.messages import WARNINGS
from tests.support.image_files import FILES
from tests.support.page_replies import reply
from tests.support.page_steps import GOOD, TABLE, choose_several, finished
from tests.support.page_table import answered, names

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]


def test_the_exports_say_what_the_api_said(open_page: OpenPage) -> None:
    page = open_page(expected="415 (Unsupported Media Type)")
    choose_several(page, FILES)
    finished(page)
    content = {}
    for kind in ("csv", "json"):
        with page.expect_download() as download:
            page.click(f'[data-export="{kind}"]')
        assert download.value.suggested_filename == f"lunar.{kind}"
        content[kind] = download.value.path().read_text(encoding="utf-8")
    assert content["csv"].startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(content["csv"].removeprefix("\ufeff")), delimiter=";"))
    answers = json.loads(content["json"])
    assert [each["file"] for each in answers] == list(FILES)
    assert [row["file"] for row in rows] == [*list(FILES)[:5], "'=1+1.jpg"], "a name must not become a formula"
    for row, answer in zip(rows, answers, strict=True):
        if "problem" in answer:
            assert (row["problem"], row["class"]) == ("unsupported-format", "")
            continue
        assert row["class"] == answer["prediction"]["class"]
        assert number(row["malignant_probability"]) == answer["risk"]["malignant_probability"]
        assert {code: number(row[code]) for code in CLASSES} == answer["probabilities"]
        assert row["warnings"].split() == [warning["code"] for warning in answer["warnings"]]
        assert row["reliable"] == str(answer["risk"]["reliable"]).lower()
        assert row["views"] == str(answer["views"]) == "1"
        assert (row["model"], row["version"]) == ("skin-lesion", "1")
        assert row["request_id"] == answer["request_id"]


def number(cell: str) -> float:
    """With a decimal comma, as a Spanish spreadsheet reads it."""
    assert "." not in cell
    return float(cell.replace(",", "."))


def test_an_english_export_has_commas_and_points_and_the_order_of_the_table(open_page: OpenPage) -> None:
    page = open_page("/?lang=en")
    answered(page)
    page.click('[data-sort="warning"]')
    with page.expect_download() as download:
        page.click('[data-export="csv"]')
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8-sig"))))
    assert [row["file"] for row in rows] == names(page)
    assert [row["reliable"] for row in rows] == ["false", "true", "true", "true"]
    assert (rows[0]["warnings"], rows[1]["warnings"]) == ("out_of_distribution", "blurred dark")
    assert rows[1]["malignant_probability"] == "0.9"


@pytest.mark.parametrize("language", ["es", "en"])
def test_no_part_of_a_name_begins_a_cell_in_another_language(open_page: OpenPage, language: str) -> None:
    """A spreadsheet splits at the separators of its own language."""
    page = open_page(f"/?lang={language}")
    answered(page, {"a;=1+1.jpg": reply(0.1), "b,=1+1.jpg": reply(0.1)})
    with page.expect_download() as download:
        page.click('[data-export="csv"]')
    lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert [line.partition(".jpg")[0] for line in lines[1:]] == ['"a;=1+1', '"b,=1+1']


def test_an_export_is_in_the_language_of_the_page(open_page: OpenPage) -> None:
    page = open_page()
    answered(page, {"a.jpg": reply(0.1), "b.jpg": reply(0.9, warnings=("blurred",), code="mel")})
    page.click('.languages a[hreflang="en"]')
    page.wait_for_selector("html[lang=en]")
    with page.expect_download() as download:
        page.click('[data-export="json"]')
    answer = json.loads(download.value.path().read_text(encoding="utf-8"))[1]
    assert answer["prediction"]["name"] == "Melanoma"
    assert answer["warnings"] == [{"code": "blurred", "message": WARNINGS["blurred"]["en"]}]


def test_a_printed_table_is_a_table_and_says_what_it_is_not(open_page: OpenPage) -> None:
    page = open_page(width=794)  # A4
    choose_several(page, {"a.jpg": GOOD, "b.jpg": GOOD})
    finished(page)
    page.emulate_media(media="print")
    assert page.locator(f"{TABLE} .print-only").is_visible()
    assert page.locator("tbody tr").first.evaluate("(row) => getComputedStyle(row).display") == "table-row"
    for part in ("thead", "[data-cell=warnings]", "[data-cell=right]"):
        assert page.locator(f"{TABLE} {part}").first.is_visible(), part
    assert page.locator(".filter :is(legend, select):visible").count() == 0
    page.emulate_media(media="screen")
    page.select_option('[data-filter="class"]', "df")
    page.emulate_media(media="print")
    assert page.locator("[data-shown]").is_visible()


# Thumbnails are drawn once a test says so; printing notes how many have been drawn.
WATCH_PRINTING = """
() => {
  const draw = createImageBitmap;
  const opened = new Promise((open) => { window.openDrawing = open; });
  window.createImageBitmap = async (...picture) => { await opened; return draw(...picture); };
  window.print = () => {
    const isDrawn = (canvas) => canvas.getContext("2d").getImageData(56, 56, 1, 1).data[3] > 0;
    const { dataset } = document.documentElement;
    dataset.printed = (dataset.printed ?? "") + [...document.querySelectorAll("tbody canvas")].filter(isDrawn).length;
  };
}
"""


@pytest.mark.parametrize("way", ["button", "keys"])
def test_thumbnails_that_were_never_in_sight_are_printed(open_page: OpenPage, way: str) -> None:
    page = open_page()
    page.evaluate(WATCH_PRINTING)
    page.route("**/predict*", lambda route: route.fulfill(json=reply(0.5)))
    choose_several(page, {f"{number:02}.jpg": GOOD for number in range(30)})
    finished(page)
    page.locator(f"{TABLE} [data-print]").focus()
    page.keyboard.press("Control+Shift+p")  # another command of the browser
    for _ in range(2):  # the second finds the first at work
        page.keyboard.press("Enter" if way == "button" else "Control+p")
    page.evaluate("openDrawing()")
    page.locator("html[data-printed]").wait_for()
    assert page.locator(f"{TABLE} [data-print]").evaluate("(button) => button === document.activeElement")
    assert page.locator("#announcement").inner_text() == "Preparando las miniaturas para imprimir"
    assert page.locator("html").get_attribute("data-printed") == "30"
