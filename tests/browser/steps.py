"""What a person does on the page, and what there is to see."""

from typing import TYPE_CHECKING

from service.locale import load_locales
from tests.running import ROOT
from tests.service.conftest import lesion

if TYPE_CHECKING:
    from playwright.sync_api import Page

LOCALES = load_locales(ROOT / "templates/locales")
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
    """Both pictures are there and of the same size, and so are the seven classes, the risk and the confidence."""
    page.wait_for_selector(f"{RESULT}[data-shown]" if script else RESULT)
    boxes = [page.locator(picture).bounding_box() for picture in ("[data-original]", "[data-overlay]")]
    assert all(box and box["width"] > 200 for box in boxes)
    assert boxes[0]["height"] == boxes[1]["height"]
    assert page.locator("[data-original]").get_attribute("src").startswith("data:image/")
    assert page.locator(f"{RESULT} [data-class]").count() == 7
    risk = page.locator("[data-risk]")
    assert risk.locator("svg.icon").is_visible()
    words = {texts["risk"][level] for texts in (ES, EN) for level in ("low", "moderate", "high")}
    assert risk.locator(".risk-word").inner_text().strip() in words
    assert page.locator(f"{RESULT} [data-confidence]").is_visible()
    assert page.locator(".foot strong").is_visible()


def title(page: "Page") -> str:
    """The problem's title, once there is a problem."""
    return page.locator(f"{PROBLEM} h2").inner_text()
