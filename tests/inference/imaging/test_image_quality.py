"""Warnings `blurred` and `dark`: against plain NumPy, at several sizes, and on degraded real lesions."""

import csv
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.bundle.storage import Bundle
from inference.imaging.image_quality import (
    LEAST_BRIGHTNESS,
    LEAST_SHARPNESS,
    brightness,
    find_quality_warnings,
    sharpness,
)
from inference.imaging.preprocessing import Preprocessing, prepare
from inference.prediction.classifier import Classifier
from tests.support.fakes import FakeRuntime
from training.data.synthetic_lesions import draw_lesion

SPEC = Preprocessing(size=224, fit="center-crop")


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def stripes(*, size: int, low: int, high: int) -> NDArray[np.uint8]:
    """Rows alternate between two grey levels; their difference sets the sharpness."""
    rows = np.where(np.arange(size) % 2, low, high).astype(np.uint8)
    return np.broadcast_to(rows[:, np.newaxis, np.newaxis], (size, size, 3)).copy()


def sharp(rgb: NDArray[np.uint8]) -> float:
    return sharpness(rgb, np.ones(rgb.shape[:2], np.bool_))


def test_the_measures_are_those_of_the_books() -> None:
    grey = np.random.default_rng(0).integers(60, 200, (9, 7), dtype=np.uint8)
    padded = np.pad(grey.astype(float), 1, mode="reflect")
    laplacian = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * padded[1:-1, 1:-1]
    everything = np.ones(grey.shape, np.bool_)
    usual = 150 / grey.mean()
    assert sharpness(np.dstack([grey] * 3), everything) == pytest.approx(usual * laplacian.var())
    half = everything & (np.arange(7) < 4)
    assert brightness(grey, everything) == pytest.approx(grey.mean())
    assert brightness(grey, half) == pytest.approx(grey[:, :4].mean())
    assert sharpness(np.dstack([grey] * 3), half) == pytest.approx(150 / grey[:, :4].mean() * laplacian[:, :4].var())


@pytest.mark.parametrize(
    ("square", "quality_warnings"),
    [
        (stripes(size=64, low=100, high=140), ()),
        (stripes(size=64, low=20, high=60), ("dark",)),
        (np.full((64, 64, 3), 160, np.uint8), ("blurred",)),
        (np.zeros((64, 64, 3), np.uint8), ("blurred", "dark")),
    ],
)
def test_each_flaw_alone(square: NDArray[np.uint8], quality_warnings: tuple[str, ...]) -> None:
    assert find_quality_warnings(square) == quality_warnings


def test_the_limits_are_where_the_numbers_say() -> None:
    below, above = int(LEAST_BRIGHTNESS) - 1, int(LEAST_BRIGHTNESS)
    assert "dark" in find_quality_warnings(np.full((32, 32, 3), below, np.uint8))
    assert "dark" not in find_quality_warnings(np.full((32, 32, 3), above, np.uint8))
    found = [(sharp(each), find_quality_warnings(each))
             for each in (stripes(size=64, low=120, high=120 + step) for step in range(6))]  # fmt: skip
    assert {value < LEAST_SHARPNESS for value, _ in found} == {True, False}
    assert all(("blurred" in quality_warnings) == (value < LEAST_SHARPNESS) for value, quality_warnings in found)


def test_a_larger_square_is_looked_at_from_as_far() -> None:
    """Fine structure enlarged five times: neighbouring pixels differ little, but the input is not blurred."""
    small = stripes(size=224, low=120, high=130)
    large = np.asarray(cv2.resize(small, (1120, 1120), interpolation=cv2.INTER_LINEAR), np.uint8)
    assert sharp(large) < LEAST_SHARPNESS < sharp(small)
    assert find_quality_warnings(large) == find_quality_warnings(small) == ()


def test_real_lesions_at_448_pixels_are_judged_as_at_224(real_data: Path) -> None:
    for path in sorted((real_data / "ham10000/originals_600x450").glob("*.jpg"))[:12]:
        data = path.read_bytes()
        for sigma in (0, 8):
            square = prepare(data, Preprocessing(size=448, fit="center-crop"))
            square = np.asarray(cv2.GaussianBlur(square, (0, 0), sigma), np.uint8) if sigma else square
            small = np.asarray(cv2.resize(square, (224, 224), interpolation=cv2.INTER_AREA), np.uint8)
            assert find_quality_warnings(square) == find_quality_warnings(small) == (("blurred",) if sigma else ())


def validation_like(data: Path) -> list[NDArray[np.uint8]]:
    """Every 20th image of HAM10000, prepared for the model."""
    folder = data / "ham10000"
    with (folder / "HAM10000_metadata.csv").open() as file:
        names = sorted(row["image_id"] for row in csv.DictReader(file))
    paths = [path for name in names if (path := folder / f"images_224_center/{name}.jpg").is_file()]
    return [prepare(path.read_bytes(), SPEC) for path in paths[::20]]


def test_real_lesions_pass_and_spoilt_ones_do_not(real_data: Path) -> None:
    squares = validation_like(real_data)
    assert len(squares) > 250

    def share(code: str, spoil: object) -> float:
        return float(np.mean([code in find_quality_warnings(spoil(each)) for each in squares]))

    assert share("blurred", lambda each: each) < 0.03
    assert share("dark", lambda each: each) < 0.03
    assert share("blurred", lambda each: np.asarray(cv2.GaussianBlur(each, (0, 0), 2), np.uint8)) > 0.98
    assert share("dark", lambda each: each // 4) > 0.98


def test_the_classifier_says_it(fake_bundle: Bundle) -> None:
    classifier = Classifier(fake_bundle, FakeRuntime(fake_bundle))

    def warnings(pixels: NDArray[np.uint8]) -> tuple[str, ...]:
        prepared = classifier.prepare(png(pixels), tta=2)
        return classifier.predict(prepared, classifier.run(prepared.batch)).warnings

    good = draw_lesion(width=60, height=45, seed=1)
    assert warnings(good) == ("untrained_model",)
    assert warnings(good[:15, :15]) == ("untrained_model", "low_resolution", "blurred")
    assert warnings(good // 4) == ("untrained_model", "dark")
    smooth = np.asarray(cv2.GaussianBlur(good, (0, 0), 9), np.uint8)
    assert warnings(smooth) == ("untrained_model", "blurred")
    assert warnings(np.zeros((45, 60, 3), np.uint8)) == ("untrained_model", "blurred", "dark")
