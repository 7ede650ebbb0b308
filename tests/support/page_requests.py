"""Requests that the page has begun and ended."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def ended_requests(page: "Page") -> list[str]:
    """A list that gets the address of each request that ends from now on, with or without success."""
    ended: list[str] = []
    for event in ("requestfinished", "requestfailed"):
        page.on(event, lambda request: ended.append(request.url))
    return ended


def sent_images(page: "Page") -> list[str]:
    """A list that gets the address of each POST request from now on."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    return sent


def settle(page: "Page") -> None:
    """Wait until the page has handled all pending events."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
