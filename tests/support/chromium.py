"""A real Chromium, or a visible reason why there is none."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support.waiting import LIMIT_MS, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoChromium(RuntimeError):
    """No Chromium can be found."""


@contextmanager
def chromium() -> Iterator["Browser"]:
    """The Chromium of LUNAR_CHROMIUM or of the path, headless. Raises NoChromium."""
    found = os.environ.get("LUNAR_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise NoChromium(f"no Chromium: neither LUNAR_CHROMIUM nor one of {', '.join(NAMES)} on the path")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError as error:
        raise NoChromium("no Chromium: the package playwright is not installed") from error
    expect.set_options(timeout=LIMIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS), timeout=LIMIT_MS)
        try:
            yield browser
        finally:
            browser.close()


def new_context(browser: "Browser", **options: Any) -> "BrowserContext":
    """A browser context whose timeouts are the limit of the tests."""
    context = browser.new_context(**options)
    context.set_default_timeout(LIMIT_MS)
    return context


def wait_beside(page: "Page", condition: Callable[[], object], what: str) -> None:
    """Wait for a condition outside the page while its events and routes are handled."""
    wait_for(condition, what, pause=lambda: page.wait_for_timeout(20))
