"""What every state of the page owes to everybody: axe-core finds nothing, and it is light."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support import http
from tests.support.image_files import FILES
from tests.support.page_steps import EN, ES, PROBLEM, check_result, choose, choose_several, finished

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]
LIGHTEST = 120_000  # bytes of markup, styles and scripts


def empty(page: "Page") -> None:
    page.wait_for_selector("html.script")


def loading(page: "Page") -> None:
    page.route("**/result*", lambda route: None)
    choose(page)
    page.wait_for_selector('[data-outcome="loading"]')


def result(page: "Page") -> None:
    choose(page)
    check_result(page)


def problem(page: "Page") -> None:
    choose(page, b"no image")
    page.wait_for_selector(PROBLEM)


def several(page: "Page") -> None:
    choose_several(page, FILES)
    finished(page)


def printed(page: "Page") -> None:
    result(page)
    page.emulate_media(media="print")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", [empty, loading, result, problem, several, printed], ids=lambda each: each.__name__)
def test_axe_finds_nothing(open_page: OpenPage, state: Callable[["Page"], None], scheme: str) -> None:
    page = open_page(scheme=scheme, expected="Failed to load resource")
    state(page)
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [360, 768])
def test_axe_finds_nothing_on_small_screens(open_page: OpenPage, width: int) -> None:
    page = open_page(width=width, touch=True, expected="Failed to load resource")
    for state in (result, several):
        state(page)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_the_page_is_light(starter_service: str) -> None:
    """Everything but pictures, uncompressed: the page, its styles, and every module that its scripts import."""
    waiting, seen, total = ["/"], set(), 0
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        text = http.get(f"{starter_service}{path}").raise_for_status().text
        total += len(text.encode())
        found = re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"', text) if path == "/" else []
        found += [f"{path.rpartition('/')[0]}/{name}" for name in re.findall(r'from "\./([^"]+)"', text)]
        waiting += found
    assert {"page.js", "maps.js", "table.js", "result.css"} <= {path.rpartition("/")[2] for path in seen}
    assert total <= LIGHTEST, f"{total:,} bytes"


def test_at_twice_the_size_everything_is_still_there(open_page: OpenPage) -> None:
    """200 % zoom is a window of half the size."""
    page = open_page(width=640)
    result(page)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.locator("[data-controls]").is_visible()


def test_nothing_moves_for_those_who_want_it_still(open_page: OpenPage) -> None:
    page = open_page()
    loading(page)
    assert page.locator(".pending .core").evaluate("(core) => getComputedStyle(core).animationName") == "none"


def test_everything_can_be_done_with_the_keyboard(open_page: OpenPage) -> None:
    page = open_page()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.example')"):
            break
    page.keyboard.press("Enter")
    check_result(page)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name === 'class'"):
            break
    before = page.locator("select[name=class]").input_value()
    page.keyboard.press("ArrowDown")
    after = page.locator("select[name=class]").input_value()
    assert after != before
    page.wait_for_selector(f'[data-shown^="{after} "]')
    reached = set()
    for _ in range(10):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.name || document.activeElement.dataset.strength"))
    assert {"method", "look", ""} <= reached


def test_nothing_is_called_invalid_before_anything_was_done(open_page: OpenPage) -> None:
    page = open_page()
    assert page.locator(":invalid").count() == 0


@pytest.mark.parametrize(("path", "texts"), [("/", ES), ("/?lang=en", EN)], ids=["es", "en"])
def test_what_can_be_pressed_says_what_it_does(open_page: OpenPage, path: str, texts: dict) -> None:
    page = open_page(path, expected="415 (Unsupported Media Type)")
    views = page.get_by_role("group", name=texts["views"]["heading"])
    assert views.get_by_role("link", name=texts["views"]["one"].format(number=4)).is_visible()
    several(page)
    for name in ("csv", "json", "print"):
        assert page.get_by_role("button", name=texts["batch"][name], exact=True).is_visible()
    for column in (texts["batch"]["file"], texts["risk"]["label"], texts["batch"]["warnings"]):
        name = texts["batch"]["sort"].format(column=column)
        assert page.get_by_role("button", name=name, exact=True).is_visible()
    page.locator("[data-open]").first.click()
    check_result(page)
    assert page.get_by_role("heading", name=page.locator(".risk-word").inner_text().strip(), exact=True).is_visible()


def test_another_class_is_announced_with_where_its_evidence_lies(open_page: OpenPage) -> None:
    page = open_page()
    result(page)
    page.select_option("select[name=class]", "mel")
    page.wait_for_selector('[data-shown^="mel "]')
    announced = page.locator("#announcement").inner_text()
    assert announced == page.locator("[data-note]").inner_text()
    assert ES["result"]["overlay_note"].format(name="Melanoma") in announced
    before, after = ES["result"]["region"].split("{words}")
    assert re.search(rf"{re.escape(before)}.+ de la imagen{re.escape(after)}", announced)


def test_forced_colours_keep_selection_and_borders(open_page: OpenPage) -> None:
    page = open_page()
    result(page)
    page.emulate_media(forced_colors="active")
    look = "(each) => { const style = getComputedStyle(each); return [style.backgroundColor, style.borderTopWidth]; }"
    chosen, other = (page.locator(f'input[value="{value}"] + span').evaluate(look) for value in ("overlay", "map"))
    assert chosen[0] != other[0]
    for part in (".risk", ".frame", ".button", "[data-views='1']"):
        width = page.locator(part).first.evaluate(look)[1]
        assert float(width.removesuffix("px")) >= 1, part
