"""The page in a real browser, in front of the real service with the committed starter."""

import base64
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from service.locale import load_locales
from tests.browser.chromium import NoChromium, chromium
from tests.running import ROOT
from tests.service.conftest import lesion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LOCALES = load_locales(ROOT / "templates/locales")
ES, EN = (LOCALES[language].texts for language in ("es", "en"))
GOOD = lesion(width=600, height=450)
RESULT, PROBLEM = '[data-outcome="result"]', '[data-outcome="problem"]'
NAME = "<img src=x onerror=alert(1)>.jpg"

_DROP = """
([name, data]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  for (const kind of ["dragenter", "dragover"])
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  const dragging = document.body.classList.contains("dragging");
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  return dragging;
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    try:
        with chromium() as opened:
            yield opened
    except NoChromium as error:
        pytest.skip(str(error))


@pytest.fixture
def open_page(browser: "Browser", starter_service: str) -> Iterator[Callable[..., "Page"]]:
    """Opens the page; afterwards the console must be empty but for what `expected` says."""
    said: list[str] = []
    allowed: list[str] = []
    contexts = []

    def open_(path: str = "/", *, script: bool = True, expected: str | None = None, width: int = 1280) -> "Page":
        context = browser.new_context(
            base_url=starter_service,
            java_script_enabled=script,
            locale="es-ES",
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        contexts.append(context)
        if expected:
            allowed.append(expected)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [line for line in said if not any(each in line for each in allowed)] == []


def choose(page: "Page", data: bytes = GOOD, *, name: str = "lesion.jpg") -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "image/jpeg", "buffer": data})


def check_result(page: "Page") -> None:
    """Both pictures are there and of the same size, and so are the seven classes, the risk and the confidence."""
    page.wait_for_selector(RESULT)
    for picture in ("[data-original]", "[data-overlay]"):
        assert page.locator(picture).bounding_box()["width"] > 200
        assert page.locator(picture).get_attribute("src").startswith("data:image/")
    assert page.locator(f"{RESULT} [data-class]").count() == 7
    risk = page.locator("[data-risk]")
    assert risk.locator("svg.icon").is_visible()
    words = {ES["risk"][level] for level in ("low", "moderate", "high")} | {EN["risk"]["low"]}
    assert risk.locator(".risk-word").inner_text().strip() in words
    assert page.locator("[data-confidence]").is_visible()
    assert page.locator(".foot strong").is_visible()


@pytest.mark.parametrize(("path", "texts"), [("/", ES), ("/?lang=en", EN)], ids=["es", "en"])
def test_choosing_a_file_is_enough(open_page: Callable[..., "Page"], path: str, texts: dict) -> None:
    page = open_page(path)
    assert page.locator("h1").inner_text() == texts["intro"]["heading"]
    choose(page, name=NAME)
    check_result(page)
    assert page.locator("#ranking").inner_text() == texts["result"]["ranking"]
    assert page.locator(f"{RESULT} [data-name]").inner_text() == NAME
    assert page.locator("#outcome").get_attribute("aria-busy") == "false"


def test_dropping_a_file_is_enough(open_page: Callable[..., "Page"]) -> None:
    page = open_page()
    assert page.evaluate(_DROP, ["lesion.jpg", base64.b64encode(GOOD).decode()]) is True
    check_result(page)
    assert not page.locator("body.dragging").count()


def test_the_preview_is_there_while_the_answer_is_not(open_page: Callable[..., "Page"]) -> None:
    page = open_page(expected="ERR_FAILED")
    held = []
    page.route("**/result*", lambda route: held.append(route))
    choose(page)
    page.wait_for_selector('[data-outcome="loading"] img')
    page.wait_for_function("document.querySelector('[data-preview]').naturalWidth === 600")
    assert page.locator("#outcome").get_attribute("aria-busy") == "true"
    held[0].abort()
    page.wait_for_selector(PROBLEM)
    assert page.locator(f"{PROBLEM} h2").inner_text() == ES["problems"]["unreachable"]["title"]
    page.unroute("**/result*")
    page.click("[data-retry]")
    check_result(page)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_file_that_is_no_image_is_explained(open_page: Callable[..., "Page"], script: bool) -> None:
    page = open_page(script=script, expected="415 (Unsupported Media Type)")
    choose(page, b"not an image")
    if not script:
        page.click("#form button")
    page.wait_for_selector(PROBLEM)
    assert page.locator(f"{PROBLEM} h2").inner_text() == ES["problems"]["unsupported-format"]["title"]


def test_a_file_too_large_is_not_even_sent(open_page: Callable[..., "Page"]) -> None:
    page = open_page()
    page.evaluate("document.querySelector('#form').dataset.limit = '1000'")
    page.on("request", lambda request: pytest.fail(request.url) if request.method == "POST" else None)
    choose(page)
    page.wait_for_selector(PROBLEM)
    assert page.locator(f"{PROBLEM} h2").inner_text() == ES["problems"]["body-too-large"]["title"]


def test_a_busy_service_is_asked_again(open_page: Callable[..., "Page"]) -> None:
    page = open_page(expected="503 (Service Unavailable)")
    busy = '<article data-outcome="problem"><h2>busy</h2><button data-retry data-after="0.1" hidden></button></article>'
    page.route("**/result*", lambda route: route.fulfill(status=503, content_type="text/html", body=busy), times=1)
    choose(page)
    page.wait_for_selector("[data-retry]")
    page.click("[data-retry]")  # waits until it may be pressed
    check_result(page)


def test_without_a_script_a_form_does_it(open_page: Callable[..., "Page"]) -> None:
    page = open_page(script=False)
    choose(page)
    page.click("#form button")
    check_result(page)
    page.click('.languages a[hreflang="en"]')
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_strength_fades_the_map(open_page: Callable[..., "Page"]) -> None:
    page = open_page()
    choose(page)
    page.wait_for_selector(RESULT)
    page.locator("[data-strength]").fill("0")
    assert page.locator("[data-overlay]").evaluate("(image) => getComputedStyle(image).opacity") == "0"
    assert page.locator("[data-layers] img").count() == 2


@pytest.mark.parametrize("width", [320, 360, 768, 1440])
def test_nothing_is_wider_than_the_window(open_page: Callable[..., "Page"], width: int) -> None:
    page = open_page(width=width)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    choose(page)
    page.wait_for_selector(RESULT)
    assert page.evaluate(overflow) == 0


def test_the_keyboard_reaches_the_choice(open_page: Callable[..., "Page"]) -> None:
    page = open_page()
    for _ in range(5):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    assert page.locator("label.button").evaluate("(label) => getComputedStyle(label).outlineStyle") == "solid"
