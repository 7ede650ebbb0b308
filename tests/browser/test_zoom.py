"""Zoom, move, compare, hide, save: the pictures of a result."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.support.chromium import wait_beside
from tests.support.page_steps import GOOD, check_result, choose

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenPage = Callable[..., "Page"]
READING = "willReadFrequently"
VIEW = """
() => [...document.querySelectorAll("[data-frame] .layers")].map((layers) => {
  const { a, e, f } = new DOMMatrix(getComputedStyle(layers).transform);
  return [a, e, f].map((value) => Math.round(value * 100) / 100);
})
"""
# A pinch: both fingers move apart by the factor, as touch events of two pointers.
PINCH = """
(factor) => {
  const frame = document.querySelector("[data-frame]");
  const { x, y, width, height } = frame.getBoundingClientRect();
  const middle = [x + width / 2, y + height / 2];
  const send = (kind, id, right) => frame.dispatchEvent(new PointerEvent(kind, {
    pointerId: id, pointerType: "touch", isPrimary: id === 1, bubbles: true,
    clientX: middle[0] + right, clientY: middle[1],
  }));
  send("pointerdown", 1, -20);
  send("pointerdown", 2, 20);
  send("pointermove", 1, -20 * factor);
  send("pointermove", 2, 20 * factor);
  send("pointerup", 1, -20 * factor);
  send("pointerup", 2, 20 * factor);
}
"""


@pytest.fixture
def page(open_page: OpenPage) -> "Page":
    page = open_page(expected=READING)
    choose(page)
    check_result(page)
    return page


def scale(page: "Page") -> float:
    """Of both pictures, which always show the same part."""
    views = page.evaluate(VIEW)
    assert len(views) == 2
    assert views[0] == views[1]
    return views[0][0]


def test_the_wheel_zooms_where_the_pointer_is_and_dragging_moves(page: "Page") -> None:
    frame = page.locator("[data-frame]").first
    box = frame.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    page.mouse.wheel(0, -600)
    wait_beside(page, lambda: scale(page) > 2, "the pictures are larger")
    _, right, down = page.evaluate(VIEW)[0]
    assert right > 0
    assert down > 0, "the point under the pointer stays"
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4 - 40, box["y"] + box["height"] / 4 - 30, steps=4)
    page.mouse.up()
    assert page.evaluate(VIEW)[0][1:] == pytest.approx([right - 40, down - 30], abs=1)
    assert page.evaluate(VIEW)[1][1:] == page.evaluate(VIEW)[0][1:]
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 2000, box["y"] + 2000, steps=3)
    page.mouse.up()
    factor, right, down = page.evaluate(VIEW)[0]
    layers = page.locator("[data-frame] .layers").first
    width = layers.evaluate("(layers) => layers.offsetWidth")
    assert right <= (factor - 1) * width / 2 + 1, "not beyond the edge of the picture"


def test_a_wheel_that_scrolls_the_page_goes_on_scrolling_it(page: "Page") -> None:
    box = page.locator("[data-frame]").first.bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.wheel(0, 200)
    wait_beside(page, lambda: page.evaluate("scrollY") > 0, "the page is scrolled")
    assert scale(page) == 1


def test_two_fingers(page: "Page") -> None:
    page.evaluate(PINCH, 3)
    assert scale(page) == pytest.approx(3, rel=0.05)


def test_the_keyboard(page: "Page") -> None:
    page.locator("[data-frame]").last.focus()
    for _ in range(5):
        page.keyboard.press("+")
    larger = scale(page)
    assert larger == pytest.approx(1.25**5, rel=0.01)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(VIEW)[0][1] < 0
    page.keyboard.press("-")
    assert scale(page) < larger
    page.keyboard.press("0")
    assert page.evaluate(VIEW)[0] == [1, 0, 0]


def test_the_buttons(page: "Page") -> None:
    for _ in range(3):
        page.click('[data-zoom="in"]')
    larger = scale(page)
    page.click('[data-zoom="out"]')
    assert 1 < scale(page) < larger
    page.click('[data-zoom="fit"]')
    assert scale(page) == 1


def test_zoom_shows_the_readers_own_pixels(page: "Page") -> None:
    large = io.BytesIO()
    Image.open(io.BytesIO(GOOD)).resize((3000, 2250)).save(large, "JPEG")
    choose(page, large.getvalue(), name="large.jpg")
    page.locator("[data-name]", has_text="large.jpg").first.wait_for()
    for part in ("[data-original]", "[data-beneath]"):
        assert page.locator(part).evaluate("(image) => image.naturalWidth") == 3000


def test_the_map_is_compared_by_a_slider(page: "Page") -> None:
    canvas = page.locator("canvas[data-overlay]")
    slider = page.locator("[data-split] input")
    assert slider.is_hidden()
    page.locator('input[value="compare"]').check(force=True)
    slider.fill("25")
    assert canvas.evaluate("(canvas) => getComputedStyle(canvas).clipPath") == "inset(0px 75% 0px 0px)"
    box, divider = canvas.bounding_box(), page.locator(".divider").bounding_box()
    assert divider["x"] + divider["width"] / 2 == pytest.approx(box["x"] + box["width"] / 4, abs=1)
    page.locator('input[value="overlay"]').check(force=True)
    assert canvas.evaluate("(canvas) => getComputedStyle(canvas).clipPath") == "none"


def test_a_key_or_a_button_hides_the_map_while_it_is_held(page: "Page") -> None:
    canvas = page.locator("canvas[data-overlay]")
    page.locator("[data-frame]").first.focus()
    page.keyboard.down("h")
    assert canvas.is_hidden()
    page.keyboard.up("h")
    assert canvas.is_visible()
    page.locator("[data-hide]").hover()
    page.mouse.down()
    assert canvas.is_hidden()
    page.mouse.up()
    assert canvas.is_visible()


def test_only_the_result_that_is_shown_listens_to_the_window(page: "Page") -> None:
    """A result that is gone would be kept by a listener of its own."""
    page.evaluate("""() => {
      const { addEventListener } = window;
      window.listeners = 0;
      window.addEventListener = (kind, ...rest) => {
        window.listeners += kind === "blur";
        addEventListener.call(window, kind, ...rest);
      };
    }""")
    with page.expect_response("**/result*"):
        page.click('[data-views="2"]')
    page.wait_for_selector(".provenance:has-text('vistas: 2')")
    assert page.evaluate("listeners") == 0
    page.locator("[data-frame]").first.focus()
    page.keyboard.down("h")
    assert page.locator("canvas[data-overlay]").is_hidden()
    page.evaluate("dispatchEvent(new Event('blur'))")
    assert page.locator("canvas[data-overlay]").is_visible()


def saved_overlay(page: "Page") -> np.ndarray:
    with page.expect_download() as download:
        page.click('[data-save="overlay"]')
    return np.asarray(Image.open(download.value.path()).convert("RGB"), int)


def test_a_saved_overlay_shows_the_picture_under_the_map_at_its_strength(page: "Page") -> None:
    full = saved_overlay(page)
    page.locator('input[value="map"]').check(force=True)
    assert np.array_equal(saved_overlay(page), full), "an opaque map over the picture"
    page.locator('input[value="overlay"]').check(force=True)
    page.locator("[data-strength]").fill("0")
    original = np.asarray(Image.open(io.BytesIO(GOOD)).convert("RGB"), int)
    assert np.abs(saved_overlay(page) - original).mean() < 4, "nothing but what two JPEG decoders differ by"


@pytest.mark.parametrize("kind", ["map", "overlay"])
def test_the_map_and_the_overlay_are_saved_as_png(page: "Page", kind: str) -> None:
    code = page.locator("select[name=class]").input_value()
    with page.expect_download() as download:
        page.click(f'[data-save="{kind}"]')
    assert download.value.suggested_filename == f"lesion-{code}-{kind}.png"
    saved = Image.open(download.value.path())
    assert saved.format == "PNG"
    original = np.asarray(Image.open(io.BytesIO(GOOD)).convert("RGB"), int)
    if kind == "overlay":
        assert saved.size == (600, 450)
        changed = np.abs(np.asarray(saved.convert("RGB"), int) - original).mean(axis=2)
        assert changed[200:250, 250:350].mean() > 10
        assert changed[:, :60].mean() < 5, "outside the field of view"
    else:
        assert saved.size == (640, 480)
        assert np.asarray(saved)[:, :, 3].max() == 255
