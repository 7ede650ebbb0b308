"""Nothing vanishes: each view has an address, and what was analysed stays until its reader leaves."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.support.image_files import FILES
from tests.support.page_requests import sent_images
from tests.support.page_steps import EN, ES, GOOD, RESULT, TABLE, check_result, choose, choose_several, finished

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]
FOCUS = "document.querySelector('#outcome').contains(document.activeElement)"


def three(page: "Page") -> None:
    choose_several(page, {f"{letter}.jpg": GOOD for letter in "abc"})
    finished(page)


def names(page: "Page") -> list[str]:
    return page.locator(f"{TABLE} tbody [data-cell=name]").all_inner_texts()


def shown_name(page: "Page", name: str) -> None:
    page.locator(f"{RESULT} .file-name", has_text=name).wait_for()


def test_a_row_opens_its_result_and_the_way_leads_back(open_page: OpenPage) -> None:
    page = open_page(expected="415 (Unsupported Media Type)")
    choose_several(page, FILES)
    finished(page)
    page.locator("tbody tr").first.locator("[data-open]").click()
    check_result(page)
    assert page.locator(f"{RESULT} .file-name").inner_text() == "drawn 0.jpg"
    page.click(".among [data-all]")
    assert names(page) == list(FILES)
    assert page.locator(RESULT).count() == 0


def test_another_choice_is_added(open_page: OpenPage) -> None:
    page = open_page()
    choose(page, name="first.jpg")
    check_result(page)
    choose(page, name="second.jpg")
    shown_name(page, "second.jpg")
    assert page.locator(".among [data-all]").inner_text() == ES["batch"]["back"].format(total=2)
    page.click(".among [data-all]")
    assert names(page) == ["first.jpg", "second.jpg"]
    choose(page, name="third.jpg")
    finished(page)
    assert names(page) == ["first.jpg", "second.jpg", "third.jpg"]


def test_back_and_forward_lead_between_the_views(open_page: OpenPage) -> None:
    page = open_page()
    three(page)
    page.locator("[data-open]").nth(1).click()
    check_result(page)
    assert page.url.endswith("#image-2")
    page.go_back()
    page.wait_for_selector(TABLE)
    assert page.url.endswith("#table")
    page.go_forward()
    shown_name(page, "b.jpg")
    page.go_back()
    page.wait_for_selector(TABLE)
    page.go_back()
    page.wait_for_selector('body[data-state="empty"]')
    page.click("[data-resume] a")
    page.wait_for_selector(TABLE)
    assert len(names(page)) == 3


def test_the_table_is_where_it_was(open_page: OpenPage) -> None:
    page = open_page()
    choose_several(page, {f"{number:02}.jpg": GOOD for number in range(14)})
    finished(page)
    page.click('[data-sort="name"]')
    page.click('[data-sort="name"]')
    row = page.locator("tbody tr").nth(10)
    name = row.locator("[data-cell=name]").inner_text()
    row.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    assert before > 0
    row.locator("[data-open]").click()
    check_result(page)
    assert page.evaluate("scrollY") == 0
    page.go_back()
    page.wait_for_selector(TABLE)
    assert page.evaluate("scrollY") == before
    assert name in page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert names(page) == sorted(names(page), reverse=True)


def test_arrow_keys_lead_to_the_next_and_the_previous_in_the_order_of_the_table(open_page: OpenPage) -> None:
    page = open_page()
    three(page)
    page.click('[data-sort="name"]')
    page.click('[data-sort="name"]')
    page.locator("[data-open]").first.click()
    shown_name(page, "c.jpg")
    assert page.locator("[data-position]").inner_text() == ES["batch"]["position"].format(number=1, total=3)
    page.keyboard.press("ArrowRight")
    shown_name(page, "b.jpg")
    page.keyboard.press("ArrowRight")
    shown_name(page, "a.jpg")
    assert page.locator('[data-step="1"]').is_disabled()
    page.keyboard.press("ArrowLeft")
    shown_name(page, "b.jpg")
    page.click('[data-step="-1"]')
    shown_name(page, "c.jpg")


def test_a_result_is_asked_for_once(open_page: OpenPage) -> None:
    page = open_page()
    sent = sent_images(page)
    choose(page)
    check_result(page)
    choose(page, name="other.jpg")
    shown_name(page, "other.jpg")
    page.keyboard.press("ArrowLeft")
    shown_name(page, "lesion.jpg")
    page.click(".among [data-all]")
    finished(page)
    assert len(sent) == 2


def test_another_language_asks_nobody_again(open_page: OpenPage) -> None:
    page = open_page()
    three(page)
    page.click('[data-sort="name"]')
    page.click('[data-sort="name"]')
    page.select_option('[data-filter="warning"]', "none")
    page.select_option('[data-filter="warning"]', "")
    sent = sent_images(page)
    page.click('.languages a[hreflang="en"]')
    page.wait_for_selector("html[lang=en]")
    finished(page)
    assert names(page) == ["c.jpg", "b.jpg", "a.jpg"]
    assert sent == []
    page.locator("[data-open]").first.click()
    check_result(page)
    assert len(sent) == 1, "the maps of an image that only the table knew"
    page.evaluate("""() => {
      scrollTo(0, 120);
      document.querySelector('.languages a[hreflang="es"]').click(); // Playwright would scroll up to it
    }""")
    page.wait_for_selector("html[lang=es]")
    shown_name(page, "c.jpg")
    assert page.locator("#ranking").inner_text() == ES["result"]["ranking"] != EN["result"]["ranking"]
    assert page.evaluate("scrollY") == 120
    assert len(sent) == 1


def test_leaving_asks_as_long_as_there_are_results(open_page: OpenPage) -> None:
    page = open_page(expected="dialog ")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.click("h1")
    page.close(run_before_unload=True)
    assert asked == []
    page = open_page(expected="dialog ")
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    choose(page)
    check_result(page)
    page.click("#verdict")  # a browser asks only somebody who has touched the page
    with page.expect_event("dialog"):
        page.evaluate("setTimeout(() => location.reload())")
    assert asked == ["beforeunload"]
    assert page.locator(RESULT).is_visible()


def test_the_address_of_an_image_that_is_gone_is_the_start(open_page: OpenPage) -> None:
    page = open_page("/?lang=es#image-7")
    assert page.locator("h1").is_visible()
    assert page.url.endswith("/?lang=es")


@pytest.mark.parametrize("way", ["brand", "card"])
def test_links_lose_nothing(open_page: OpenPage, way: str) -> None:
    page = open_page()
    choose(page)
    check_result(page)
    if way == "brand":
        page.click(".brand")
        assert page.locator("h1").is_visible()
        page.click("[data-resume] a")
        finished(page)
    else:
        with page.context.expect_page() as opened:
            page.click(".card-link a")
        opened.value.wait_for_load_state()
        assert "/model-card" in opened.value.url
    assert page.locator(f"{TABLE}, {RESULT}").is_visible()


def test_the_keyboard_is_not_lost_on_the_way_to_a_result_and_back(open_page: OpenPage) -> None:
    page = open_page()
    three(page)
    page.locator("[data-open]").first.focus()
    page.keyboard.press("Enter")
    check_result(page)
    assert page.evaluate(FOCUS)
    page.locator(".among [data-all]").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(TABLE)
    assert page.evaluate(FOCUS)


def test_a_row_whose_view_is_cancelled_stays_and_is_analysed(open_page: OpenPage) -> None:
    page = open_page()
    page.route("**/predict*", lambda route: None)
    page.route("**/result*", lambda route: None)
    choose_several(page, {f"{letter}.jpg": GOOD for letter in "abc"})
    page.locator("[data-open]").last.click()
    page.click("[data-cancel]")
    page.wait_for_selector(TABLE)
    assert names(page) == ["a.jpg", "b.jpg", "c.jpg"]
    assert page.url.endswith("#table")


# Pictures are decoded once a test says so.
HOLD_DECODING = """
() => {
  const { decode } = HTMLImageElement.prototype;
  const opened = new Promise((open) => { window.openDecoding = open; });
  HTMLImageElement.prototype.decode = async function () { await opened; return decode.call(this); };
}
"""


def test_an_earlier_result_is_not_seen_under_the_address_of_the_next(open_page: OpenPage) -> None:
    page = open_page()
    for name in ("a.jpg", "b.jpg"):
        choose(page, name=name)
        shown_name(page, name)
    page.evaluate(HOLD_DECODING)
    page.locator('[data-step="-1"]').focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**#image-1")
    outcome = page.locator("#outcome")
    assert outcome.get_attribute("aria-busy") == "true"
    assert page.locator(RESULT).is_hidden()
    assert page.locator("#announcement").inner_text() == "Abriendo la imagen…"
    assert page.evaluate("document.activeElement.id") == "outcome", "nothing that cannot be seen keeps the focus"
    page.evaluate("openDecoding()")
    shown_name(page, "a.jpg")
    assert page.locator(RESULT).is_visible()
    assert outcome.get_attribute("aria-busy") == "false"
    assert page.evaluate("document.activeElement.id") == "verdict"
