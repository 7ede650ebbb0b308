"""A table of images on the page, with answers that a test gives."""

from typing import TYPE_CHECKING

from tests.support.page_replies import reply
from tests.support.page_steps import GOOD, TABLE, choose_several, finished

if TYPE_CHECKING:
    from playwright.sync_api import Page


def names(page: "Page") -> list[str]:
    return page.locator(f"{TABLE} tbody [data-cell=name]").all_inner_texts()


# Each request says which file it carries: a body of bytes does not.
NAME_THE_FILE = """
() => {
  const { fetch } = window;
  window.fetch = (address, options) => {
    if (!(options?.body instanceof File)) return fetch(address, options);
    return fetch(address, { ...options, headers: { ...options.headers, "X-File": options.body.name } });
  };
}
"""

ANSWERS = {
    "a.jpg": reply(0.1),
    "b.jpg": reply(0.9, warnings=("blurred", "dark"), code="mel"),
    "c.jpg": reply(0.95, warnings=("out_of_distribution",)),
    "d.jpg": reply(0.0004),
}


def answered(page: "Page", answers: dict[str, dict] = ANSWERS) -> None:
    """A table with each file's answer. Two requests are under way at a time, and either may arrive first."""
    page.evaluate(NAME_THE_FILE)
    page.route("**/predict*", lambda route: route.fulfill(json=answers[route.request.headers["x-file"]]))
    choose_several(page, dict.fromkeys(answers, GOOD))
    finished(page)
