"""Actions of a user on the page, and checks of what the page shows."""

from functools import partial
from typing import TYPE_CHECKING

from tests.support.lesion_images import lesion
from tests.support.locales import LOCALES
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Page

ES, EN = (LOCALES[language].texts for language in ("es", "en"))
GOOD = lesion(width=600, height=450)
RESULT, PROBLEM, TABLE = '[data-outcome="result"]', '[data-outcome="problem"]', '[data-outcome="batch"]'
NAME = "<img src=x onerror=alert(1)>.jpg"


def choose(page: "Page", data: bytes = GOOD, *, name: str = "lesion.jpg") -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "image/jpeg", "buffer": data})


def choose_several(page: "Page", files: dict[str, bytes]) -> None:
    payload = [{"name": name, "mimeType": "image/jpeg", "buffer": data} for name, data in files.items()]
    page.set_input_files("#file", payload)


def check_result(page: "Page", *, script: bool = True) -> None:
    """Both pictures are there and of the same size, and so are the seven classes and the risk."""
    page.wait_for_selector(f"{RESULT}[data-shown]" if script else RESULT)
    pictures = [page.locator(picture) for picture in ("[data-original]", "[data-overlay]")]
    for picture in pictures:  # an img has its size once it is loaded; a canvas always
        loaded = partial(picture.evaluate, "picture => picture.complete !== false && picture.naturalWidth !== 0")
        wait_for(loaded, "a loaded picture", pause=lambda: page.wait_for_timeout(20))
    boxes = [picture.bounding_box() for picture in pictures]
    assert all(box and box["width"] > 200 for box in boxes)
    assert boxes[0]["height"] == boxes[1]["height"]
    assert page.locator("[data-original]").get_attribute("src").startswith("blob:" if script else "data:image/")
    assert page.locator(f"{RESULT} [data-class]").count() == 7
    risk = page.locator("[data-risk]")
    assert risk.locator("svg.icon").is_visible()
    words = {texts["risk"][level] for texts in (ES, EN) for level in ("low", "moderate", "high", "unreliable")}
    assert risk.locator(".risk-word").inner_text().strip().partition(",")[0] in words
    is_reliable = risk.get_attribute("data-risk") != "unreliable"
    assert page.locator(f"{RESULT} [data-confidence]").count() == is_reliable
    assert page.locator(".foot strong").is_visible()


def finished(page: "Page") -> None:
    """Wait until every image of the table has its result."""
    page.wait_for_selector(f"{TABLE}[data-finished]")


def title(page: "Page") -> str:
    """The problem's title, once there is a problem."""
    return page.locator(f"{PROBLEM} h2").inner_text()
