"""What comes between: results that are opened and networks that fail while other images are analysed."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.support.chromium import wait_beside
from tests.support.page_replies import reply
from tests.support.page_steps import ES, GOOD, PROBLEM, check_result, choose, choose_several, finished

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

OpenPage = Callable[..., "Page"]


def test_opening_a_result_of_one_view_leaves_the_images_to_come_at_theirs(open_page: OpenPage) -> None:
    page = open_page()
    choose(page, name="earlier.jpg")
    check_result(page)
    page.click(".brand")
    page.click('[data-views="8"]')
    held: list[Route] = []
    page.route("**/predict*", lambda route: held.append(route))
    choose_several(page, {f"{letter}.jpg": GOOD for letter in "abcd"})
    page.locator("[data-open]").first.click()
    check_result(page)
    assert page.locator('[data-views="1"]').get_attribute("aria-current") == "true"
    for number in range(4):
        wait_beside(page, lambda number=number: len(held) > number, "a request")
        held[number].fulfill(json=reply(0.1))
    page.click(".among [data-all]")
    finished(page)
    assert page.locator('[data-views="8"]').get_attribute("aria-current") == "true"
    assert all("tta=8" in route.request.url for route in held)


def test_a_gap_in_the_network_costs_no_row(open_page: OpenPage) -> None:
    page = open_page(expected="ERR_FAILED")
    page.route("**/predict*", lambda route: route.fulfill(json=reply(0.1)))
    page.route("**/predict*", lambda route: route.abort(), times=2)
    choose_several(page, {f"{letter}.jpg": GOOD for letter in "abc"})
    finished(page)
    assert page.locator("tbody tr[data-risk]").count() == 3


def test_a_result_outlives_a_failure_to_examine_it_again(open_page: OpenPage) -> None:
    page = open_page(expected="503")
    choose(page)
    check_result(page)
    page.route("**/result*", lambda route: route.fulfill(status=503, body=""))
    page.click('[data-views="8"]')
    page.wait_for_selector(PROBLEM)
    page.click('[data-views="1"]')
    check_result(page)
    page.click('[data-views="8"]')
    page.wait_for_selector(PROBLEM)
    page.unroute("**/result*")
    with page.expect_request("**/result?*tta=8*"):
        page.click("[data-retry]")
    check_result(page)


def test_the_way_back_to_the_images_is_offered_at_the_start_only(open_page: OpenPage) -> None:
    page = open_page()
    choose(page)
    check_result(page)
    page.click(".brand")
    assert page.locator("[data-resume]").is_visible()
    page.click("[data-resume] a")
    finished(page)
    assert page.locator("[data-resume]").is_hidden()


def test_a_single_image_that_others_joined_stays_when_it_is_cancelled(open_page: OpenPage) -> None:
    page = open_page()
    for address in ("**/predict*", "**/result*"):
        page.route(address, lambda route: None)
    choose(page, name="first.jpg")
    page.wait_for_selector("[data-cancel]")
    choose_several(page, {"a.jpg": GOOD, "b.jpg": GOOD})
    page.locator("[data-open]").first.click()
    page.click("[data-cancel]")
    page.wait_for_selector("tbody tr")
    assert page.locator("tbody tr").count() == 3


def test_a_link_with_the_control_key_is_left_to_the_browser(open_page: OpenPage) -> None:
    page = open_page()
    choose(page)
    check_result(page)
    page.evaluate("""() => {
      window.taken = [];
      addEventListener("click", (event) => { taken.push(event.defaultPrevented); event.preventDefault(); });
    }""")
    for link in (".brand", '[data-views="8"]', '.languages a[hreflang="en"]'):
        page.click(link, modifiers=["Control"])
    assert page.evaluate("taken") == [False] * 3


def test_a_result_that_the_page_cannot_draw_is_a_problem(open_page: OpenPage) -> None:
    page = open_page(expected="no canvas")
    page.evaluate("() => { HTMLCanvasElement.prototype.getContext = () => { throw new Error('no canvas'); }; }")
    choose(page)
    page.wait_for_selector('[data-problem="internal"]')
    assert page.locator("#outcome").get_attribute("aria-busy") == "false"
    assert page.locator("#outcome[data-stale]").count() == 0


def test_the_picture_that_a_browser_needs_can_be_cancelled(open_page: OpenPage) -> None:
    """The answer is there, only not what to show it on: this leads to the images, not to the same upload again."""
    page = open_page()
    page.evaluate("() => { HTMLImageElement.prototype.decode = () => Promise.reject(new Error('not decoded')); }")
    held: list[Route] = []
    page.route("**/result*picture=1*", lambda route: held.append(route))
    choose(page)
    wait_beside(page, lambda: len(held) == 1, "the picture is asked for")
    page.click("[data-cancel]")
    finished(page)
    assert page.locator("tbody tr[data-risk]").count() == 1
    assert len(held) == 1


HEARD = """
async () => {
  const page = document.querySelector("script[type=module]").src;
  const { loadingView } = await import(page.replace("page.js", "loading.js"));
  const said = [], image = { address: "" };
  document.querySelector("main").append(loadingView(image, () => {}, (words) => said.push(words)));
  for (const share of [0, 0.5, 1, 1]) image.onProgress(share);
  const bar = document.querySelector("main progress:not([value])");
  return [bar.getAttribute("aria-label"), document.querySelector("main [data-phase]").textContent, ...said];
}
"""


def test_what_is_heard_while_the_model_works_is_what_is_seen(open_page: OpenPage) -> None:
    """Playwright cannot hold an upload back between its last byte and its answer."""
    assert open_page().evaluate(HEARD) == [ES["loading"]["label"]] * 3


@pytest.mark.parametrize("whole", [True, False])
def test_the_notice_goes_when_there_is_a_model(open_page: OpenPage, whole: bool) -> None:
    """Also if something else than the page comes just then."""
    page = open_page(expected="waiting.js" if not whole else None)
    html = page.content()
    answers = [html.replace("<main", '<p id="waiting">not yet</p><main', 1), html if whole else "Try again later"]
    page.route("**/ready", lambda route: route.fulfill(status=200))
    page.route(re.compile(r"/\?again"), lambda route: route.fulfill(content_type="text/html", body=answers.pop(0)))
    page.goto("/?again")
    page.wait_for_selector("#waiting", state="detached")
    wait_beside(page, lambda: not answers, "the page is asked for again")
    choose(page)
    check_result(page)


def test_a_proxy_that_lost_its_replica_is_asked_again(open_page: OpenPage) -> None:
    gone = {"type": "about:blank", "title": "The replica that had the request is gone", "status": 502}
    page = open_page(expected="502")
    page.route("**/predict*", lambda route: route.fulfill(json=reply(0.1)))
    page.route("**/predict*", lambda route: route.fulfill(status=502, json=gone, headers={"Retry-After": "1"}), times=1)
    choose_several(page, {f"{letter}.jpg": GOOD for letter in "ab"})
    finished(page)
    assert page.locator("tbody tr[data-risk]").count() == 2
