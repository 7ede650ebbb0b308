"""The page where keys are asked for: nobody who uses it types one.

At an address that is not loopback, because over plain HTTP browsers tell such a service less (no Sec-Fetch-Site).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from service.security.page_session import COOKIE
from tests.support.guarded_service import Guarded, address_of_this_machine
from tests.support.page_steps import ES, GOOD, TABLE, check_result, choose, choose_several, title

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]


@pytest.fixture(params=["localhost", "elsewhere"])
def address(guarded: Guarded, request: pytest.FixtureRequest) -> str:
    host = "localhost" if request.param == "localhost" else address_of_this_machine()
    if host is None:
        pytest.skip("this machine has no address but loopback")
    return f"http://{host}:{urlsplit(guarded.address).port}"


@pytest.mark.parametrize("script", [True, False])
def test_an_upload(open_page: OpenPage, address: str, script: bool) -> None:
    page = open_page(at=address, script=script)
    choose(page)
    if not script:
        page.click("button.without-script")
    check_result(page, script=script)
    assert page.evaluate("document.cookie") == "", "no script sees the cookie"


def test_a_table_of_several_images_outlives_the_session(open_page: OpenPage, address: str) -> None:
    page = open_page(at=address, expected="401 (Unauthorized)")
    page.context.clear_cookies()
    page.context.add_cookies([{"name": COOKIE, "value": "1.expired", "url": address}])
    choose_several(page, {f"{number}.jpg": GOOD for number in range(3)})
    page.wait_for_selector(f"{TABLE}[data-finished]")
    assert page.locator("tbody tr[data-risk]").count() == 3


def test_after_the_session_a_second_try_helps(open_page: OpenPage, address: str) -> None:
    page = open_page(at=address, expected="401 (Unauthorized)")
    page.context.clear_cookies()
    choose(page)
    assert title(page) == ES["problems"]["missing-key"]["title"]
    page.context.clear_cookies()
    page.context.add_cookies([{"name": COOKIE, "value": "1.expired", "url": address}])
    page.click("[data-retry]")
    page.get_by_role("heading", name=ES["problems"]["expired-visit"]["title"]).wait_for()
    page.click("[data-retry]")
    check_result(page)


def test_another_sites_form_gets_nothing(open_page: OpenPage, address: str) -> None:
    """From another port of the same host: the same site, so that the browser sends the cookie, and another origin."""
    page = open_page(at=address, expected="403 (Forbidden)")
    stranger = address.rpartition(":")[0] + ":9"
    form = f'<form method="post" action="{address}/" enctype="multipart/form-data"><button>go</button></form>'
    page.route(f"{stranger}/", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto(f"{stranger}/")
    with page.expect_response(f"{address}/") as answered:
        page.click("button")
    assert "cookie" in answered.value.request.all_headers()
    assert answered.value.status == 403
