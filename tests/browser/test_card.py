"""The model page in a real browser: both themes, three widths, large letters, paper, and axe-core's opinion."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.chromium import new_context

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
OPEN = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
# Letters of the charts in pixels: their font size times the scale of their SVG.
LETTERS = """
() => [...document.querySelectorAll("svg.chart text")].map((text) => {
  const svg = text.ownerSVGElement;
  return parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
})
"""
# Pairs of letters of one chart that cover each other.
COLLISIONS = """
() => [...document.querySelectorAll("svg.chart")].flatMap((svg) => {
  const texts = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
  return texts.flatMap(([one, a], index) => texts.slice(index + 1)
    .filter(([, b]) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
    .map(([other]) => `${one} and ${other}`));
})
"""


@pytest.fixture
def open_card(browser: "Browser", starter_service: str) -> Iterator[Callable[..., "Page"]]:
    """Opens the page without scripts, as it is for everybody; the console must stay empty."""
    said: list[str] = []
    contexts = []

    def open_(*, width: int = 1280, theme: str = "light", language: str = "es", script: bool = False) -> "Page":
        context = new_context(
            browser,
            base_url=starter_service,
            java_script_enabled=script,
            viewport={"width": width, "height": 900},
            color_scheme=theme,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: said.append(request.url) if starter_service not in request.url else None)
        page.goto(f"/model-card?lang={language}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert said == []


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize("width", [320, 360, 768, 1440])
def test_nothing_is_wider_than_the_window(open_card: Callable[..., "Page"], width: int, language: str) -> None:
    page = open_card(width=width, language=language, script=True)
    assert page.evaluate(OVERFLOW) == 0
    page.evaluate(OPEN)
    assert page.evaluate(OVERFLOW) == 0


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(open_card: Callable[..., "Page"], theme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_card(width=width, theme=theme, script=True)
    page.evaluate(OPEN)
    found = Axe().run(
        page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    )
    assert found.response["passes"]
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_letters_of_the_charts_are_apart_and_large_enough(open_card: Callable[..., "Page"], width: int) -> None:
    page = open_card(width=width, script=True)
    sizes = page.evaluate(LETTERS)
    assert len(sizes) > 40
    assert min(sizes) >= 8.5
    assert page.evaluate(COLLISIONS) == []


def test_the_curves_and_the_bars_are_drawn(open_card: Callable[..., "Page"]) -> None:
    page = open_card()
    for far in page.locator("details:has(svg.roc)").all():
        far.locator("summary").click()
    panels = page.locator("svg.roc")
    assert panels.count() == 8 + 5, "of the answers, and of five kinds of images far from dermoscopy"
    for number in range(panels.count()):
        box = panels.nth(number).locator(".line").bounding_box()
        assert box["width"] > 100
        assert box["height"] > 100
    highest = page.locator("svg.reliability .column").last.bounding_box()
    assert highest["height"] > 40


def test_the_tables_behind_open_without_a_script(open_card: Callable[..., "Page"]) -> None:
    page = open_card()
    table = page.locator("details table").first
    assert not table.is_visible()
    page.locator("summary").first.click()
    assert table.is_visible()


def test_wide_tables_are_scrolled_by_keyboard_on_a_phone(open_card: Callable[..., "Page"]) -> None:
    from playwright.sync_api import expect

    page = open_card(width=360, script=True)
    region = page.locator('[role="region"]').first
    assert region.evaluate("(each) => each.scrollWidth > each.clientWidth")
    region.focus()
    page.keyboard.press("ArrowRight")
    expect(region).not_to_have_js_property("scrollLeft", 0)  # wait_for_function needs eval, which the policy forbids
    assert page.locator(".per-class tbody th").first.bounding_box()["x"] >= 0  # the class stays in sight


def test_letters_twice_as_large_stay_inside(open_card: Callable[..., "Page"]) -> None:
    page = open_card(width=640, script=True)  # 1280 pixels at a zoom of 200 %
    assert page.evaluate(OVERFLOW) == 0
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate(OVERFLOW) == 0


def test_paper_has_no_navigation_and_keeps_the_shades(open_card: Callable[..., "Page"]) -> None:
    page = open_card()
    page.emulate_media(media="print")
    for gone in (".contents", ".languages", ".foot", "summary"):
        assert not page.locator(gone).first.is_visible(), gone
    assert page.locator(".confusion .long").first.is_visible()
    cell = page.locator(".shade-5").first
    assert cell.evaluate("(each) => getComputedStyle(each).printColorAdjust") == "exact"


def test_the_footer_of_the_page_leads_here(open_card: Callable[..., "Page"]) -> None:
    page = open_card(language="en")
    page.click("text=Analyse an image")
    page.wait_for_selector("#form")
    page.click("text=Model card")
    page.wait_for_url("**/model-card*")
    assert page.locator("h1").inner_text() == "skin-lesion, version 1"
