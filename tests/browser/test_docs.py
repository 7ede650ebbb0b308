"""/docs: whoever presses Execute with the values that stand there gets an answer, and there is a way back."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.support.page_steps import GOOD

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]


def execute(page: "Page", method: str, path: str) -> "tuple[int, str, str]":
    """Press Execute of an operation; the status, the address and the answer."""
    operation = page.locator(f'.opblock-{method}:has([data-path="{path}"])')
    operation.locator(".opblock-summary-control").click()
    file = operation.locator('input[type="file"]')
    if path in ("/predict", "/explain"):
        file.wait_for()
        file.set_input_files({"name": "lesion.jpg", "mimeType": "image/jpeg", "buffer": GOOD})
    with page.expect_response(
        lambda response: path in response.url and response.request.method == method.upper()
    ) as sent:
        operation.locator("button.execute").click()
    return sent.value.status, sent.value.url, sent.value.text()


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("post", "/predict", '"prediction"'),
        ("post", "/explain", '"explanations"'),
        ("post", "/invocations", '"error":""'),
        ("get", "/model", '"manifest"'),
        ("get", "/ping", ""),
    ],
)
def test_the_values_that_stand_there_work(open_page: OpenPage, method: str, path: str, expected: str) -> None:
    page = open_page("/docs")
    status, url, text = execute(page, method, path)
    assert status == 200, (url, text)
    assert expected in text
    assert "string" not in url


def test_there_is_a_way_back(open_page: OpenPage) -> None:
    page = open_page("/docs")
    page.click("nav a")
    page.wait_for_selector("#form")
