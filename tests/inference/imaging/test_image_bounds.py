"""Bounds of the out-of-distribution score and of its evaluation; brightness of colours."""

import numpy as np
import pytest
from pydantic import ValidationError

from inference.bundle.out_of_distribution import OodEvaluation, scores
from inference.bundle.storage import Bundle
from inference.imaging.image_quality import LEAST_BRIGHTNESS, find_quality_warnings


@pytest.mark.parametrize("length", [0.995, 1.0, 1.005])
def test_a_score_is_between_0_and_1(length: float) -> None:
    """Rounding to float16 changes the length of a unit vector slightly."""
    basis = (length * np.eye(4)[:2]).astype(np.float16)
    rows = np.array([[3, 4, 0, 0], [0, 1, 0, 0], [0, 0, 0, 2], [0, 0, 0, 0]], np.float32)
    found = scores(rows, basis)
    assert found == pytest.approx([0, 0, 1, 1], abs=0.02)
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("change", [
    {"flagged": 10, "confident": 1}, {"flagged": 11}, {"confident": 11, "flagged": 0}, {"windows_flagged": 41},
])  # fmt: skip
def test_no_more_is_counted_than_there_is(starter: Bundle, change: dict[str, int]) -> None:
    assert starter.ood_detector is not None
    right = starter.ood_detector.evaluation.model_dump() | {"photos": 10, "flagged": 5, "confident": 5, "windows": 40}
    right["windows_flagged"] = 40
    assert OodEvaluation.model_validate(right).windows == 40
    with pytest.raises(ValidationError, match="more photos or windows are counted than there are"):
        OodEvaluation.model_validate(right | change)


def shades(rgb: tuple[int, int, int]) -> np.ndarray:
    """Rows alternate between a colour and a shade of it, so that the image is not blurred."""
    rows = np.array([rgb, [max(0, each - 40) for each in rgb]], np.uint8)
    return np.broadcast_to(rows[np.arange(64) % 2][:, np.newaxis], (64, 64, 3)).copy()


@pytest.mark.parametrize(("rgb", "dark"), [
    ((255, 60, 0), False), ((0, 30, 200), True), ((200, 200, 200), False), ((0, 200, 0), False), ((140, 0, 0), True),
])  # fmt: skip
def test_brightness_is_what_the_eye_sees_of_a_colour(rgb: tuple[int, int, int], dark: bool) -> None:
    """Luma of ITU-R BT.601 weighs green most, then red, then blue."""
    luma = shades(rgb).astype(float) @ [0.299, 0.587, 0.114]
    assert (float(luma.mean()) < LEAST_BRIGHTNESS) is dark
    assert ("dark" in find_quality_warnings(shades(rgb))) is dark
