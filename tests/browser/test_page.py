"""How an image comes to the page, and what the page says when something is wrong."""

import base64
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.support.chromium import wait_beside
from tests.support.page_requests import ended_requests, sent_images, settle
from tests.support.page_steps import EN, ES, GOOD, NAME, PROBLEM, RESULT, check_result, choose, finished, title
from training.data.synthetic_lesions import draw_lesion

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request, Route


OpenPage = Callable[..., "Page"]


_FILES = """
([kind, files]) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  }
  const options = { bubbles: true, cancelable: true };
  const paste = new ClipboardEvent("paste", { clipboardData: transfer, ...options });
  if (kind === "paste") return document.body.dispatchEvent(paste);
  for (const each of ["dragenter", "dragover"])
    document.body.dispatchEvent(new DragEvent(each, { dataTransfer: transfer, ...options }));
  const dragging = document.body.classList.contains("dragging");
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, ...options }));
  return dragging;
}
"""


def bring(page: "Page", kind: str, data: bytes = GOOD) -> object:
    """Drop or paste a file as a browser does it."""
    return page.evaluate(_FILES, [kind, [["lesion.jpg", base64.b64encode(data).decode()]]])


@pytest.mark.parametrize(("path", "texts"), [("/", ES), ("/?lang=en", EN)], ids=["es", "en"])
def test_choosing_a_file_is_enough(open_page: OpenPage, path: str, texts: dict) -> None:
    page = open_page(path)
    assert page.locator("h1").inner_text() == texts["intro"]["heading"]
    choose(page, name=NAME)
    check_result(page)
    assert page.locator("#ranking").inner_text() == texts["result"]["ranking"]
    assert page.locator(f"{RESULT} .file-name").inner_text() == NAME
    assert page.locator("#outcome").get_attribute("aria-busy") == "false"


def test_dropping_a_file_is_enough(open_page: OpenPage) -> None:
    page = open_page()
    assert bring(page, "drop") is True
    check_result(page)
    assert not page.locator("body.dragging").count()


def test_pasting_a_picture_is_enough(open_page: OpenPage) -> None:
    page = open_page()
    bring(page, "paste")
    check_result(page)


def test_a_phone_offers_its_camera(open_page: OpenPage) -> None:
    assert open_page().locator(".camera label").is_hidden()
    phone = open_page(width=360, touch=True)
    assert phone.locator(".camera label").inner_text() == ES["form"]["camera"]
    camera = phone.locator("#camera")
    assert (camera.get_attribute("capture"), camera.get_attribute("accept")) == ("environment", "image/*")
    camera.set_input_files({"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": GOOD})
    check_result(phone)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_an_example_is_one_click(open_page: OpenPage, script: bool) -> None:
    page = open_page(script=script)
    assert page.locator("#examples").inner_text() == ES["examples"]["drawn"]
    assert page.locator(".example").count() == 4
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    page.locator(".example").nth(1).click()
    check_result(page, script=script)
    (asked,) = sent
    assert "example=drawn-2.jpg" in asked.url, "an example is no user's image, and is not counted as one"
    assert "drawn" not in (asked.post_data or "")
    if script:
        assert page.locator(f"{RESULT} .file-name").inner_text() == ES["examples"]["one"].format(number=2)


def test_an_example_that_cannot_be_had_is_told_and_a_late_one_does_no_harm(open_page: OpenPage) -> None:
    page = open_page(expected="Failed to load resource")
    page.route("**/examples/drawn-1.jpg", lambda route: route.abort())
    page.locator(".example").first.click()
    page.wait_for_selector(PROBLEM)
    assert title(page) == ES["problems"]["unreachable"]["title"]
    page = open_page()
    held = []
    page.route("**/examples/drawn-1.jpg", lambda route: held.append(route))
    page.locator(".example").first.click()
    wait_beside(page, lambda: held, "the example is asked for")
    ended = ended_requests(page)
    choose(page, name="mine.jpg")
    check_result(page)
    for route in held:
        route.continue_()
    wait_beside(
        page, lambda: any("drawn-1.jpg" in url for url in ended), "the example is there, or not wanted any more"
    )
    settle(page)
    assert page.locator(f"{RESULT} .file-name").inner_text() == "mine.jpg"


def test_the_preview_is_there_while_the_answer_is_not(open_page: OpenPage) -> None:
    page = open_page(expected="ERR_FAILED")
    held = []
    page.route("**/result*", lambda route: held.append(route))
    choose(page)
    preview = page.locator("[data-preview]")
    assert preview.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") == 600
    assert page.locator("#outcome").get_attribute("aria-busy") == "true"
    assert page.locator("progress").is_visible()
    wait_beside(page, lambda: held, "the request")
    held[0].abort()
    page.wait_for_selector(PROBLEM)
    assert title(page) == ES["problems"]["unreachable"]["title"]
    page.unroute("**/result*")
    page.click("[data-retry]")
    check_result(page)


def test_an_upload_can_be_cancelled(open_page: OpenPage) -> None:
    page = open_page()
    sent = sent_images(page)
    page.route("**/result*", lambda route: None)
    choose(page)
    with page.expect_event("requestfailed") as failed:
        page.click("[data-cancel]")
    assert failed.value.failure == "net::ERR_ABORTED"
    assert page.locator("body").get_attribute("data-state") == "empty"
    assert page.locator("h1").is_visible()
    page.unroute("**/result*")
    page.click('[data-views="2"]')
    settle(page)
    assert page.locator("body").get_attribute("data-state") == "empty"
    choose(page)
    check_result(page)
    assert page.locator(".among").count() == 0
    assert len(sent) == 2, "a cancelled image must not be sent after all"


def test_a_second_image_is_shown_and_the_first_that_still_waits_is_kept(open_page: OpenPage) -> None:
    page = open_page()
    held: list[Route] = []
    page.route("**/result*", lambda route: held.append(route), times=1)
    choose(page, name="first.jpg")
    page.wait_for_selector("[data-preview]")
    choose(page, name="second.jpg")
    check_result(page)
    assert page.locator(f"{RESULT} .file-name").inner_text() == "second.jpg"
    wait_beside(page, lambda: held, "the first one's request")
    held[0].continue_()
    page.click(".among [data-all]")
    finished(page)
    assert page.locator("tbody tr[data-risk]").count() == 2


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_file_that_is_no_image_is_explained(open_page: OpenPage, script: bool) -> None:
    page = open_page(script=script, expected="415 (Unsupported Media Type)")
    choose(page, b"not an image")
    if not script:
        page.click("#form button")
    page.wait_for_selector(PROBLEM)
    assert title(page) == ES["problems"]["unsupported-format"]["title"]


def test_a_file_too_large_is_not_even_sent(open_page: OpenPage) -> None:
    page = open_page()
    page.evaluate("document.querySelector('#form').dataset.limit = '1000'")
    page.on("request", lambda request: pytest.fail(request.url) if request.method == "POST" else None)
    choose(page)
    page.wait_for_selector(PROBLEM)
    assert title(page) == ES["problems"]["body-too-large"]["title"]


def test_a_small_image_is_answered_with_a_warning(open_page: OpenPage) -> None:
    buffer = io.BytesIO()
    Image.fromarray(draw_lesion(width=120, height=90, seed=1)).save(buffer, "PNG")
    page = open_page()
    choose(page, buffer.getvalue())
    check_result(page)
    assert page.locator('[data-warning="low_resolution"]').is_visible()


def test_a_photo_of_twelve_megapixels(open_page: OpenPage) -> None:
    buffer = io.BytesIO()
    Image.fromarray(draw_lesion(width=1000, height=750, seed=1)).resize((4000, 3000)).save(buffer, "JPEG", quality=95)
    page = open_page()
    choose(page, buffer.getvalue())
    check_result(page)
    original = page.locator("[data-original]")
    assert original.evaluate("(image) => [image.naturalWidth, image.naturalHeight]") == [4000, 3000]


def test_without_a_script_a_form_does_it(open_page: OpenPage) -> None:
    page = open_page("/?tta=4", script=False)
    choose(page)
    page.click("#form button")
    check_result(page, script=False)
    assert "vistas: 4" in page.locator(".provenance").inner_text()
    page.click('.languages a[hreflang="en"]')
    page.wait_for_selector("html[lang=en]")


def test_a_double_click_sends_once(open_page: OpenPage) -> None:
    page = open_page()
    sent, ended = sent_images(page), ended_requests(page)
    page.locator(".example").first.dblclick()
    check_result(page)
    wait_beside(page, lambda: set(sent) <= set(ended), "every answer")
    settle(page)
    assert len(sent) <= 2
    assert page.locator(RESULT).count() == 1


def test_the_keyboard_reaches_the_choice(open_page: OpenPage) -> None:
    page = open_page()
    for _ in range(5):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    label = page.locator('label.button[for="file"]')
    assert label.evaluate("(label) => getComputedStyle(label).outlineStyle") == "solid"
