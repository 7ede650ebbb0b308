"""Several images at once: the table, its order, its failures, its exports."""

import csv
import io
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from PIL import Image

from inference.taxonomy import CLASSES
from tests.browser.steps import ES, GOOD, NAME, RESULT, TABLE, check_result, choose, choose_several
from training.drawn import draw_lesion

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

OpenPage = Callable[..., "Page"]


def drawn(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_lesion(width=600, height=450, seed=seed)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


FILES = {f"drawn {seed}.jpg": drawn(seed) for seed in range(4)} | {NAME: b"no image", "=1+1.jpg": GOOD}


def finished(page: "Page") -> None:
    page.wait_for_selector(f"{TABLE}[data-finished]", timeout=30_000)


def names(page: "Page") -> list[str]:
    return page.locator(f"{TABLE} tbody [data-cell=name]").all_inner_texts()


def test_a_table_of_several_images(open_page: OpenPage) -> None:
    page = open_page(expected="415 (Unsupported Media Type)")
    choose_several(page, FILES)
    finished(page)
    assert names(page) == list(FILES)
    assert page.locator("[data-count]").inner_text() == ES["batch"]["count"].format(done=5, total=6, failed=1)
    failed = page.locator("tbody [data-failed]")
    assert failed.get_attribute("data-failed") == "unsupported-format"
    assert ES["problems"]["unsupported-format"]["title"] in failed.inner_text()
    for row in page.locator("tbody tr[data-risk]").all():
        level = row.get_attribute("data-risk")
        assert ES["risk"][level] in row.inner_text()
        assert row.locator(".risk-badge svg").is_visible()
    assert page.locator("tbody canvas:not(.blank)").count() == 5


def test_the_table_is_sorted_by_risk_and_back(open_page: OpenPage) -> None:
    page = open_page(expected="415 (Unsupported Media Type)")
    choose_several(page, FILES)
    finished(page)
    shares = (
        "(rows) => rows.map((row) => parseFloat(row.querySelector('.figure')?.textContent.replace(',', '.') ?? -1))"
    )
    page.click('[data-sort="risk"]')
    falling = page.locator("tbody tr").evaluate_all(shares)
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) > 3
    assert page.locator("th", has=page.locator('[data-sort="risk"]')).get_attribute("aria-sort") == "descending"
    page.click('[data-sort="risk"]')
    assert page.locator("tbody tr").evaluate_all(shares) == sorted(falling)
    page.click('[data-sort="name"]')
    assert names(page) == sorted(FILES, key=str.lower)


def test_a_row_opens_its_result_and_the_way_leads_back(open_page: OpenPage) -> None:
    page = open_page(expected="415 (Unsupported Media Type)")
    choose_several(page, FILES)
    finished(page)
    page.locator("tbody tr").first.locator("[data-open]").click()
    check_result(page)
    assert page.locator(f"{RESULT} .file-name").inner_text() == "drawn 0.jpg"
    page.click(".back button")
    assert names(page) == list(FILES)
    assert page.locator(RESULT).count() == 0
    choose(page)
    check_result(page)
    assert page.locator(".back").count() == 0


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
    rows = list(csv.DictReader(io.StringIO(content["csv"])))
    answers = json.loads(content["json"])
    assert [each["file"] for each in answers] == list(FILES)
    assert [row["file"] for row in rows] == [*list(FILES)[:5], "'=1+1.jpg"], "a name must not become a formula"
    for row, answer in zip(rows, answers, strict=True):
        if "problem" in answer:
            assert (row["problem"], row["class"]) == ("unsupported-format", "")
            continue
        assert row["class"] == answer["prediction"]["class"]
        assert float(row["malignant_probability"]) == answer["risk"]["malignant_probability"]
        assert {code: float(row[code]) for code in CLASSES} == answer["probabilities"]
        assert (row["model"], row["version"]) == ("skin-lesion", "1")
        assert row["request_id"] == answer["request_id"]


def test_a_refusal_is_obeyed_and_nothing_is_lost(open_page: OpenPage) -> None:
    """Never more than two at a time; after a 429 or 503 nobody asks before the time that it names."""
    page = open_page(expected="Failed to load resource")
    times: list[float] = []
    refusals = [(429, "2"), (503, "1")]

    def answer(route: "Route") -> None:
        times.append(time.monotonic())
        if refusals:
            status, after = refusals.pop(0)
            route.fulfill(status=status, headers={"Retry-After": after}, body="{}")
        else:
            route.continue_()

    page.route("**/predict*", answer)
    choose_several(page, {f"drawn {seed}.jpg": drawn(seed) for seed in range(4)})
    finished(page)
    assert page.locator("tbody tr[data-risk]").count() == 4
    assert len(times) == 6
    assert times[1] - times[0] < 1, "two at a time"
    assert times[2] - times[0] >= 1.95


def test_rows_that_come_later_are_sorted_in(open_page: OpenPage) -> None:
    page = open_page()
    held: list[Route] = []
    page.route("**/predict*", lambda route: held.append(route))
    choose_several(page, {f"{number}.jpg": GOOD for number in range(4)})
    page.click('[data-sort="risk"]')
    for share in (0.1, 0.9, 0.0004, 0.99995):
        while not held:
            page.wait_for_timeout(20)
        answer = {
            "prediction": {"class": "nv", "name": "Nevo", "probability": 0.5, "confidence": "medium"},
            "risk": {"level": "low", "malignant_probability": share},
        }
        held.pop(0).fulfill(json=answer)
    finished(page)
    shares = page.locator("tbody .figure").all_inner_texts()
    assert [each.replace("\xa0", " ") for each in shares] == ["> 99,9 %", "90,0 %", "10,0 %", "< 0,1 %"]


def test_the_keyboard_is_not_lost_on_the_way_to_a_result_and_back(open_page: OpenPage) -> None:
    page = open_page()
    choose_several(page, {"a.jpg": GOOD, "b.jpg": GOOD})
    finished(page)
    page.locator("[data-open]").first.focus()
    page.keyboard.press("Enter")
    check_result(page)
    assert page.evaluate("document.querySelector('#outcome').contains(document.activeElement)")
    page.locator(".back button").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(TABLE)
    assert page.evaluate("document.querySelector('#outcome').contains(document.activeElement)")


def test_another_language_keeps_the_table(open_page: OpenPage) -> None:
    page = open_page()
    choose_several(page, {"a.jpg": GOOD, "b.jpg": GOOD})
    finished(page)
    page.click('.languages a[hreflang="en"]')
    page.wait_for_selector("html[lang=en]")
    finished(page)
    assert names(page) == ["a.jpg", "b.jpg"]


def test_a_printed_table_says_what_it_is_not(open_page: OpenPage) -> None:
    page = open_page()
    choose_several(page, {"a.jpg": GOOD, "b.jpg": GOOD})
    finished(page)
    page.emulate_media(media="print")
    assert page.locator(f"{TABLE} .print-only").is_visible()


def test_it_can_be_stopped(open_page: OpenPage) -> None:
    page = open_page()
    held = []
    page.route("**/predict*", lambda route: held.append(route))
    choose_several(page, {f"{number}.jpg": GOOD for number in range(5)})
    page.wait_for_timeout(200)
    page.click("[data-stop]")
    page.wait_for_selector(f"{TABLE}[data-finished]")
    page.wait_for_timeout(200)
    assert len(held) == 2
    assert page.locator("[data-cell=risk]").all_inner_texts() == [ES["batch"]["stopped"]] * 5
    page.unroute("**/predict*")
    page.locator("[data-open]").nth(3).click()
    check_result(page)


def test_without_a_script_one_image_is_sent(open_page: OpenPage) -> None:
    page = open_page(script=False)
    assert page.locator("#file").get_attribute("multiple") is None
