"""What the page says and does while the service is busy, full or gone."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inference.domain.taxonomy import LANGUAGES
from tests.support import http, traps
from tests.support.homes import copy_home
from tests.support.page_steps import ES, PROBLEM, RESULT, check_result, choose, title
from tests.support.processes import free_port
from tests.support.scrape import Scrape
from tests.support.service_process import service_process
from tests.support.waiting import LIMIT_S, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Page


OpenPage = Callable[..., "Page"]


@pytest.mark.parametrize(
    ("status", "slug"), [(503, "overloaded"), (429, "rate-limited")], ids=["503 overloaded", "429 rate limit"]
)
def test_a_busy_service_is_asked_again_when_it_says_so(open_page: OpenPage, status: int, slug: str) -> None:
    page = open_page(expected=str(status))
    refuse_once(page, status, after=3600)
    choose(page)
    page.wait_for_selector("[data-retry]")
    assert page.locator("[data-retry]").is_disabled()
    assert slug in ES["problems"]
    refuse_once(page, status, after=1)
    choose(page, name="another.jpg")
    page.locator(f"{PROBLEM} .file-name", has_text="another.jpg").wait_for()
    page.click("[data-retry]")  # waits until it may be pressed
    check_result(page)


def refuse_once(page: "Page", status: int, *, after: int) -> None:
    """The next image is refused, and may be sent again after so many seconds."""
    article = (
        '<article data-outcome="problem"><h2>busy</h2><p class="file-name" data-name></p>'
        f'<button data-retry data-after="{after}" hidden></button></article>'
    )
    busy = "".join(f'<div data-language="{language}">{article}</div>' for language in LANGUAGES)
    page.route("**/result*", lambda route: route.fulfill(status=status, content_type="text/html", body=busy), times=1)


def taken(address: str) -> float:
    """Places of the service that are taken."""
    with http.Client(base_url=address) as client:
        return Scrape(client)("lunar_places_taken")


def test_a_service_without_a_place_says_when_to_come_back(
    open_page: OpenPage, starter_home: Path, tmp_path: Path
) -> None:
    """A real 503: this service has no place beside the one in use, and that one is taken by an image that hangs."""
    home = copy_home(starter_home, tmp_path / "home")
    program = ("-m", "tests.support.trapped_service")
    with service_process(home, program=program, max_waiting="0", decode_timeout_s=f"{LIMIT_S:g}") as (address, _):
        page = open_page(at=address, expected="503")
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as slow:
            head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(traps.HANG)}\r\n\r\n"
            slow.sendall(head.encode() + traps.HANG)
            wait_for(lambda: taken(address) == 1, "the place is taken")
            choose(page)
            page.wait_for_selector(PROBLEM)
            assert title(page) == ES["problems"]["overloaded"]["title"]
            assert ES["problem"]["retry_after"].format(seconds=2) in page.locator(PROBLEM).inner_text()
        wait_for(lambda: taken(address) == 0, "the place is free again")
        page.click("[data-retry]")
        check_result(page)


def test_a_service_that_goes_away_between_two_uploads_and_comes_back(
    open_page: OpenPage, starter_home: Path, tmp_path: Path
) -> None:
    home, port = copy_home(starter_home, tmp_path / "home"), str(free_port())
    with service_process(home, port=port) as (address, _):
        page = open_page(at=address, expected="ERR_CONNECTION_REFUSED")
        choose(page, name="first.jpg")
        check_result(page)
    choose(page, name="second.jpg")
    page.wait_for_selector(PROBLEM)
    assert title(page) == ES["problems"]["unreachable"]["title"]
    assert page.locator(f"{PROBLEM} .file-name").inner_text() == "second.jpg"
    with service_process(home, port=port):
        page.click("[data-retry]")
        check_result(page)
        assert page.locator(f"{RESULT} .file-name").inner_text() == "second.jpg"
