"""What a result shows and lets one do: maps, views, languages, the printed report."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from inference.domain.taxonomy import CLASSES, DIAGNOSES
from tests.support.page_steps import EN, ES, RESULT, check_result, choose
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]
READING = "willReadFrequently"  # what Chromium says of a test that reads a canvas several times
PIXELS = """
(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let i = 0; i < data.length; i += 1) sum = (sum * 31 + data[i]) % 1000000007;
  return sum;
}
"""


def shown(page: "Page", what: str) -> int:
    """Wait for a map and return a checksum of its pixels."""
    page.wait_for_selector(f'[data-shown="{what}"]')
    return int(page.locator("canvas[data-overlay]").evaluate(PIXELS))


def test_every_class_and_method_has_its_map_from_one_request(open_page: OpenPage) -> None:
    page = open_page(expected=READING)
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    choose(page)
    check_result(page)
    seen = {}
    for code in CLASSES:
        page.select_option("select[name=class]", code)
        for method in ("gradcam", "gradcam++"):
            page.locator(f'input[value="{method}"]').check(force=True)
            seen[code, method] = shown(page, f"{code} {method} overlay")
        name = next(each.es for each in DIAGNOSES if each.code == code)
        assert name in page.locator("[data-note]").inner_text()
        assert name in page.locator("canvas[data-overlay]").get_attribute("aria-label")
    assert len(set(seen.values())) >= 8, "the maps are all the same"
    assert len(sent) == 1


def test_the_map_stands_where_the_service_would_draw_it(open_page: OpenPage) -> None:
    """The canvas equals the API's overlay, within what JPEG and the smaller map allow."""
    page = open_page()
    choose(page, (ROOT / "static/examples/drawn-1.jpg").read_bytes())
    check_result(page)
    difference = page.evaluate(
        """async () => {
          const under = document.querySelector("[data-beneath]"), map = document.querySelector("canvas[data-overlay]");
          const body = new FormData();
          body.append("file", await (await fetch("/examples/drawn-1.jpg")).blob());
          const answer = await (await fetch("/explain?render=overlay", { method: "POST", body })).json();
          const load = async (src) => { const i = new Image(); i.src = src; await i.decode(); return i; };
          const api = await load("data:image/png;base64," + answer.explanations[0].overlay);
          const draw = (...layers) => {
            const c = new OffscreenCanvas(600, 450), x = c.getContext("2d");
            for (const layer of layers) x.drawImage(layer, 0, 0, 600, 450);
            return x.getImageData(0, 0, 600, 450).data;
          };
          const [mine, theirs] = [draw(under, map), draw(api)];
          let sum = 0;
          for (let i = 0; i < mine.length; i += 1) sum += Math.abs(mine[i] - theirs[i]);
          return sum / mine.length;
        }"""
    )
    assert difference < 1


def test_the_map_alone_and_its_strength(open_page: OpenPage) -> None:
    page = open_page(expected=READING)
    choose(page)
    check_result(page)
    code = page.locator("select[name=class]").input_value()
    opacity = "(canvas) => getComputedStyle(canvas).opacity"
    page.locator("[data-strength]").fill("0")
    assert page.locator("[data-overlay]").evaluate(opacity) == "0"
    page.locator('input[value="map"]').check(force=True)
    shown(page, f"{code} gradcam++ map")
    assert page.locator("[data-overlay]").evaluate(opacity) == "1"
    assert page.locator("[data-strength]").is_disabled()
    corner = page.locator("[data-overlay]").evaluate(
        "(canvas) => [0, canvas.width / 2].map((x) => canvas.getContext('2d').getImageData(x, 0, 1, 1).data[3])"
    )
    assert corner == [0, 255], "outside the field of view there is nothing to be coloured"


def test_more_views_examine_the_same_image_again(open_page: OpenPage) -> None:
    page = open_page()
    choose(page)
    check_result(page)
    first = page.locator(".ranking").inner_text()
    with page.expect_request("**/result?*tta=8*"):
        page.click('[data-views="8"]')
    page.wait_for_selector(".provenance:has-text('vistas: 8')")
    check_result(page)
    assert page.locator(".ranking").inner_text() != first
    assert page.locator('[data-views="8"]').get_attribute("aria-current") == "true"


def test_another_answer_shows_the_map_of_its_own_class(open_page: OpenPage) -> None:
    """The second answer is that of another image, as if more views had changed the class."""
    page = open_page()
    drawn = [(ROOT / f"static/examples/drawn-{number}.jpg").read_bytes() for number in range(1, 5)]
    classes = page.evaluate(
        """async (numbers) => Promise.all(numbers.map(async (number) => {
          const body = await (await fetch(`/examples/drawn-${number}.jpg`)).blob();
          return (await (await fetch("/predict", { method: "POST", body })).json()).prediction.class;
        }))""",
        [1, 2, 3, 4],
    )
    other = next(number for number in range(1, 4) if classes[number] != classes[0])
    choose(page, drawn[0])
    check_result(page)
    shown(page, f"{classes[0]} gradcam++ overlay")
    page.locator('input[value="gradcam"]').check(force=True)
    page.route(
        "**/result?*tta=8*", lambda route: route.continue_(url=f"{route.request.url}&example=drawn-{other + 1}.jpg")
    )
    page.click('[data-views="8"]')
    shown(page, f"{classes[other]} gradcam overlay")  # the method is still the chosen one
    page.select_option("select[name=class]", "vasc")
    page.click('[data-views="1"]')
    shown(page, "vasc gradcam overlay")


def test_another_language_keeps_the_image(open_page: OpenPage) -> None:
    page = open_page()
    page.click('[data-views="2"]')
    choose(page)
    check_result(page)
    page.click('.languages a[hreflang="en"]')
    page.wait_for_selector("html[lang=en]")
    check_result(page)
    assert page.locator("#ranking").inner_text() == EN["result"]["ranking"]
    assert "views: 2" in page.locator(".provenance").inner_text()
    page.click('.languages a[hreflang="es"]')
    page.wait_for_selector("html[lang=es]")
    check_result(page)
    assert page.locator("#ranking").inner_text() == ES["result"]["ranking"]
    page.click('[data-views="4"]')
    page.wait_for_selector(".provenance:has-text('vistas: 4')")


@pytest.mark.parametrize(("path", "texts"), [("/", ES), ("/?lang=en", EN)], ids=["es", "en"])
def test_the_predicted_class_is_explained_and_the_result_announced(open_page: OpenPage, path: str, texts: dict) -> None:
    page = open_page(path)
    cards = page.locator(".classes li")
    assert cards.count() == 7
    for each in range(7):
        assert texts["classes"]["follows"] in cards.nth(each).inner_text()
    choose(page)
    check_result(page)
    code = page.locator("[data-class]").first.get_attribute("data-class")
    if page.locator("[data-risk]").get_attribute("data-risk") != "unreliable":
        assert texts["classes"]["cards"][code]["what"] in page.locator(".about:not(.set)").inner_text()
    announced = page.locator("#announcement").inner_text()
    assert page.locator("#verdict").inner_text() in announced
    for warning in page.locator("[data-warning] p").all_inner_texts():
        assert announced.startswith(warning)
    assert page.locator(".risk-word").inner_text().strip() in announced
    assert page.locator("#announcement").get_attribute("role") == "status"


@pytest.mark.parametrize("width", [320, 360, 768, 1440])
def test_nothing_is_wider_than_the_window(open_page: OpenPage, width: int) -> None:
    page = open_page(width=width)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    choose(page, name="a-very-long-name-without-any-space-" * 4 + ".jpg")
    check_result(page)
    assert page.evaluate(overflow) == 0


def test_the_report_is_one_page_of_a4(open_page: OpenPage) -> None:
    page = open_page()
    choose(page, name="lesion-7.jpg")
    check_result(page)
    pages = re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(format="A4"))
    assert len(pages) == 1
    page.emulate_media(media="print")
    text = page.locator("body").inner_text()
    year = page.locator("[data-time]").get_attribute("datetime")[:4]  # of a moment ago
    for part in ("lesion-7.jpg", "skin-lesion v1", "efficientnet-lite2", page.locator("#verdict").inner_text(), year):
        assert part in text, part
    assert page.locator(".print-only").is_visible()
    assert page.locator("[data-original]").is_visible()
    assert page.locator("[data-overlay]").is_visible()
    assert page.locator("#form").is_hidden()


def test_the_time_is_the_readers(open_page: OpenPage) -> None:
    page = open_page()
    choose(page)
    check_result(page)
    time = page.locator("[data-time]")
    assert "UTC" not in time.inner_text()
    moment = time.get_attribute("datetime")
    expected = "new Intl.DateTimeFormat('es', {timeStyle: 'short', timeZone: 'Europe/Madrid'}).format(new Date(m))"
    assert page.evaluate(f"(m) => {expected}", moment) in time.inner_text()


def test_an_english_date_is_british(open_page: OpenPage) -> None:
    page = open_page("/?lang=en")
    choose(page)
    check_result(page)
    assert re.fullmatch(r"\d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d", page.locator("[data-time]").inner_text())


def test_printing_is_one_press(open_page: OpenPage) -> None:
    page = open_page()
    choose(page)
    check_result(page)
    page.evaluate("window.print = () => { document.body.dataset.printed = 'yes'; }")
    page.click(f"{RESULT} [data-print]")
    assert page.locator("body").get_attribute("data-printed") == "yes"
