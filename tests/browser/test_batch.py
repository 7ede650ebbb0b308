"""Several images at once: the table, its order, its failures."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.support.chromium import wait_beside
from tests.support.image_files import FILES, drawn
from tests.support.page_replies import reply
from tests.support.page_steps import ES, GOOD, choose_several, finished
from tests.support.page_table import ANSWERS, answered, names

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

OpenPage = Callable[..., "Page"]


# When each image was sent and its answer was there, by the page's own clock.
WATCH = """
() => {
  const { fetch } = window;
  window.watched = [];
  window.fetch = async (address, options) => {
    const asked = Date.now();
    const response = await fetch(address, options);
    const { status, headers } = response;
    if (address.startsWith("/predict"))
      window.watched.push({ asked, answered: Date.now(), status, after: Number(headers.get("Retry-After")) });
    return response;
  };
}
"""


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
        warned = row.locator('[data-warning="out_of_distribution"]').count()
        assert (level == "unreliable") == bool(warned)
        assert row.locator(".risk-badge svg").is_visible()
    page.wait_for_selector("tbody canvas.blank", state="attached")
    assert page.locator("tbody canvas:not(.blank)").count() == 5


def test_the_table_is_sorted_by_risk_warning_and_name(open_page: OpenPage) -> None:
    page = open_page()
    answered(page)
    heads = {key: page.locator("th", has=page.locator(f'[data-sort="{key}"]')) for key in ("risk", "warning", "name")}
    page.click('[data-sort="risk"]')
    assert heads["risk"].get_attribute("aria-sort") == "descending"
    assert names(page) == ["b.jpg", "a.jpg", "d.jpg", "c.jpg"], "a level that means nothing is not the highest"
    page.click('[data-sort="risk"]')
    assert names(page) == ["d.jpg", "a.jpg", "b.jpg", "c.jpg"], "nor is it the lowest"
    page.click('[data-sort="warning"]')
    assert heads["risk"].get_attribute("aria-sort") == "none"
    assert names(page)[:2] == ["c.jpg", "b.jpg"], "what is not to be relied on first"
    page.click('[data-sort="name"]')
    assert names(page) == sorted(ANSWERS)
    page.click('[data-sort="name"]')
    assert names(page) == sorted(ANSWERS, reverse=True)
    assert heads["name"].get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize(
    ("filter_", "value", "left"),
    [
        ("risk", "unreliable", ["c.jpg"]),
        ("risk", "low", ["a.jpg", "b.jpg", "d.jpg"]),
        ("warning", "any", ["b.jpg", "c.jpg"]),
        ("warning", "none", ["a.jpg", "d.jpg"]),
        ("warning", "dark", ["b.jpg"]),
        ("class", "mel", ["b.jpg"]),
        ("class", "df", []),
    ],
)
def test_the_table_is_filtered(open_page: OpenPage, filter_: str, value: str, left: list[str]) -> None:
    page = open_page()
    answered(page)
    page.select_option(f'[data-filter="{filter_}"]', value)
    assert page.locator("tbody tr:visible [data-cell=name]").all_inner_texts() == left
    assert page.locator("[data-shown]").inner_text() == ES["batch"]["shown"].format(shown=len(left), total=4)
    assert page.locator("[data-none]").is_visible() == (left == [])
    page.select_option(f'[data-filter="{filter_}"]', "")
    assert page.locator("tbody tr:visible").count() == 4
    assert page.locator("[data-shown]").inner_text() == ""


def test_a_refusal_is_obeyed_and_nothing_is_lost(open_page: OpenPage) -> None:
    """Never more than two at a time; after a 429 or 503 nobody asks before the time that it names."""
    page = open_page(expected="Failed to load resource")
    page.evaluate(WATCH)
    asked: list[Route] = []
    page.route("**/predict*", lambda route: route.continue_() if len(asked) == 2 else asked.append(route))
    choose_several(page, {f"drawn {seed}.jpg": drawn(seed) for seed in range(4)})
    wait_beside(page, lambda: len(asked) == 2, "two at a time")
    for route, (status, after) in zip(asked, [(429, "2"), (503, "1")], strict=True):
        route.fulfill(status=status, headers={"Retry-After": after}, body="{}")
    finished(page)
    assert page.locator("tbody tr[data-risk]").count() == 4
    watched = page.evaluate("watched")
    refused = [each for each in watched if each["status"] != 200]
    assert [each["status"] for each in watched].count(200) == 4
    assert sorted(each["after"] for each in refused) == [1, 2]
    later = [(one, each) for one in refused for each in watched if each["asked"] >= one["answered"]]
    assert len(later) >= 4
    assert all(each["asked"] >= one["answered"] + 1000 * one["after"] for one, each in later)


def test_rows_that_come_later_are_sorted_in(open_page: OpenPage) -> None:
    page = open_page()
    held: list[Route] = []
    page.route("**/predict*", lambda route: held.append(route))
    choose_several(page, {f"{number}.jpg": GOOD for number in range(4)})
    page.click('[data-sort="risk"]')
    for share in (0.1, 0.9, 0.0004, 0.99995):
        wait_beside(page, lambda: held, "a request")
        held.pop(0).fulfill(json=reply(share))
    finished(page)
    assert page.locator("tbody .figure").all_inner_texts() == ["100,0", "90,0", "10,0", "0,0"]


def test_sorting_keeps_the_focus(open_page: OpenPage) -> None:
    """Rows move when an answer comes in, while somebody reads the table with the keyboard."""
    page = open_page()
    held: list[Route] = []
    page.route("**/predict*", lambda route: held.append(route))
    choose_several(page, {f"{letter}.jpg": GOOD for letter in "ab"})
    page.click('[data-sort="risk"]')
    page.locator("[data-open]").last.focus()
    wait_beside(page, lambda: len(held) == 2, "both requests")
    held[1].fulfill(json=reply(0.9))
    page.locator("tbody tr:first-child[data-risk]").wait_for()
    held[0].fulfill(json=reply(0.1))
    finished(page)
    assert "b.jpg" in page.evaluate("document.activeElement.getAttribute('aria-label') ?? ''")


def test_it_pauses_and_goes_on(open_page: OpenPage) -> None:
    page = open_page()
    held: list[Route] = []
    page.route("**/predict*", lambda route: held.append(route))
    choose_several(page, {f"{number}.jpg": GOOD for number in range(5)})
    wait_beside(page, lambda: len(held) == 2, "two at a time")
    page.click("[data-pause]")
    assert page.locator("[data-pause]").inner_text() == ES["batch"]["resume"]
    for route in held:
        route.fulfill(json=reply(0.5))
    page.locator("tbody tr[data-risk]").nth(1).wait_for()
    assert page.locator("[data-cell=risk]").all_inner_texts()[2:] == [ES["batch"]["paused"]] * 3
    assert len(held) == 2, "nor has anything been asked since"
    page.unroute("**/predict*")
    page.click("[data-pause]")
    finished(page)
    assert page.locator("tbody tr[data-risk]").count() == 5


def test_it_says_how_long_it_will_take(open_page: OpenPage) -> None:
    page = open_page()
    held: list[Route] = []
    page.route("**/predict*", lambda route: held.append(route))
    choose_several(page, {f"{number}.jpg": GOOD for number in range(8)})
    for _ in range(4):
        wait_beside(page, lambda: held, "a request")
        held.pop(0).fulfill(json=reply(0.5))
    left = re.compile(ES["batch"]["left"].format(time=r"\d+ (s|min)"))
    page.locator("[data-count]", has_text=left).wait_for()


def test_the_start_and_the_end_are_announced(open_page: OpenPage) -> None:
    page = open_page()
    held: list[Route] = []
    page.route("**/predict*", lambda route: held.append(route))
    choose_several(page, {"a.jpg": GOOD, "b.jpg": GOOD})
    announcement = page.locator("#announcement")
    assert announcement.inner_text() == ES["batch"]["started"].format(total=2)
    wait_beside(page, lambda: len(held) == 2, "both requests")
    for route in held:
        route.fulfill(json=reply(0.5))
    finished(page)
    assert announcement.inner_text() == ES["batch"]["count"].format(done=2, total=2, failed=0)


def test_without_a_script_one_image_is_sent(open_page: OpenPage) -> None:
    page = open_page(script=False)
    assert page.locator("#file").get_attribute("multiple") is None
