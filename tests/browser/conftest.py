"""A real Chromium in front of a real service with the committed starter."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.chromium import NoChromium, chromium, new_context

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

SHOTS = Path("test-results")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """For a module only: as long as Playwright is open, its thread has a running event loop, which others want."""
    try:
        with chromium() as opened:
            yield opened
    except NoChromium as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture
def open_page(
    browser: "Browser", starter_service: str, request: pytest.FixtureRequest
) -> Iterator[Callable[..., "Page"]]:
    """Opens the page; afterwards the console must be empty but for what `expected` says.

    Options: `script` on or off, `at` another service's address, `width`, `scheme`, `coarse` for a touch screen.
    """
    said: list[str] = []
    allowed = ["Cross-Origin-Opener-Policy header has been ignored"]  # over plain HTTP, but for loopback
    contexts: list[BrowserContext] = []

    def open_(
        path: str = "/",
        *,
        script: bool = True,
        expected: str | None = None,
        width: int = 1280,
        scheme: str = "light",
        touch: bool = False,
        at: str | None = None,
    ) -> "Page":
        context = new_context(
            browser,
            base_url=at or starter_service,
            java_script_enabled=script,
            locale="es-ES",
            timezone_id="Europe/Madrid",
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
            color_scheme=scheme,  # type: ignore[arg-type]
            has_touch=touch,
            is_mobile=touch,
        )
        contexts.append(context)
        if expected:
            allowed.append(expected)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.goto(path)
        return page

    yield open_
    if request.node.stash.get(FAILED, False):
        SHOTS.mkdir(exist_ok=True)
        for number, page in enumerate(page for context in contexts for page in context.pages):
            page.screenshot(path=SHOTS / f"{request.node.name}-{number}.png", full_page=True)
    for context in contexts:
        context.close()
    assert [line for line in said if not any(each in line for each in allowed)] == []
