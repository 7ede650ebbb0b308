"""The answer is seen without scrolling, and the map lies on the picture, whatever the shapes of window and picture."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.support.page_steps import GOOD, RESULT, check_result, choose
from training.data.synthetic_lesions import draw_lesion

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]
# But for the smallest one, what browsers leave of common screens: 360 x 640, 390 x 844, 768 x 1024, 1280 x 720 ...
WINDOWS = ((320, 568), (360, 560), (390, 664), (768, 900), (1280, 600), (1366, 650), (1440, 780))


def picture(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    small = Image.fromarray(draw_lesion(width=60, height=60, seed=1))
    small.resize((width, height)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: f"{window[0]}x{window[1]}")
def test_the_answer_is_seen_without_scrolling(open_page: OpenPage, window: tuple[int, int], language: str) -> None:
    width, height = window
    page = open_page(f"/?lang={language}", width=width, touch=width < 700)
    page.set_viewport_size({"width": width, "height": height})
    choose(page, picture(4000, 200))  # with a warning, which comes first
    check_result(page)
    assert page.evaluate("scrollY") == 0
    seen = page.locator(".foot").bounding_box()["y"]
    for part in (".warnings li", "#verdict", ".verdict .figure", ".risk-word"):
        box = page.locator(f"{RESULT} {part}").first.bounding_box()
        assert box["y"] + box["height"] <= seen, part


BOXES = """
() => ["[data-original]", "[data-beneath]", "canvas[data-overlay]", ".view"].map((each) => {
  const { x, y, width, height } = document.querySelector(each)?.getBoundingClientRect() ?? {};
  const frame = document.querySelector(each)?.closest(".frame").getBoundingClientRect();
  return frame && [x - frame.x, y - frame.y, width, height, frame.width, frame.height];
}).filter(Boolean)
"""


@pytest.mark.parametrize("media", ["screen", "print"])
@pytest.mark.parametrize("size", [(450, 600), (500, 500), (600, 450), (1, 20_000), (20_000, 1)])
def test_every_layer_has_the_place_and_the_shape_of_the_picture(
    open_page: OpenPage, size: tuple[int, int], media: str
) -> None:
    page = open_page()
    choose(page, picture(*size))
    page.wait_for_selector(f"{RESULT}[data-shown]")
    page.emulate_media(media=media)
    boxes = np.array(page.evaluate(BOXES))
    assert len(boxes) >= 3
    assert np.abs(boxes - boxes[0]).max() < 0.5
    x, y, width, height, frame_width, frame_height = boxes[0]
    across, down = frame_width - 2, frame_height - 2  # within the border
    scale = min(across / size[0], down / size[1])
    assert (width, height) == pytest.approx((size[0] * scale, size[1] * scale), abs=1)
    assert (x + width / 2, y + height / 2) == pytest.approx((frame_width / 2, frame_height / 2), abs=1)


def test_a_browser_that_cannot_show_the_file_gets_the_picture(open_page: OpenPage) -> None:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(GOOD)).save(buffer, "TIFF")
    page = open_page()
    choose(page, buffer.getvalue(), name="scan.tif")
    page.wait_for_selector(f"{RESULT}[data-shown]")
    original = page.locator("[data-original]")
    assert original.get_attribute("src").startswith("data:image/jpeg")
    assert original.evaluate("(image) => image.naturalWidth") == 600
