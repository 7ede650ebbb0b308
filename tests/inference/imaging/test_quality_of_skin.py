"""The quality warnings look at skin: surround, caption, ruler and ink hide no blur, dark skin is no dark picture."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference.imaging.image_quality import find_lit_part, find_quality_warnings
from inference.imaging.preprocessing import Preprocessing, fit, prepare
from tests.support.artefacts import ARTEFACTS, Pixels, blurred, dark_skin, nothing
from training.data.synthetic_lesions import draw_lesion

SPEC = Preprocessing(size=224, fit="center-crop")


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_artefacts_hide_no_blur_and_make_no_dark(artefact: str) -> None:
    """The artefact is drawn after the blur, because a camera's text is never blurred."""
    drawn, add = fit(draw_lesion(width=600, height=450, seed=4), SPEC), ARTEFACTS[artefact]
    assert find_quality_warnings(add(drawn)) == ()
    assert find_quality_warnings(add(blurred(drawn, 3))) == ("blurred",)
    assert "dark" in find_quality_warnings(add(drawn // 5))


@pytest.mark.parametrize("lightness", [25, 30, 35])
def test_drawn_dark_skin_is_not_dark(lightness: float) -> None:
    assert "dark" not in find_quality_warnings(
        dark_skin(fit(draw_lesion(width=600, height=450, seed=4), SPEC), lightness)
    )


def test_a_black_picture_has_no_surround() -> None:
    assert find_lit_part(np.zeros((64, 64), np.uint8)).all()
    assert find_quality_warnings(np.zeros((64, 64, 3), np.uint8)) == ("blurred", "dark")


def test_dark_skin_inside_the_picture_belongs_to_it() -> None:
    """Black that does not reach the edge is a lesion, or a hair."""
    grey = np.full((64, 64), 150, np.uint8)
    grey[20:40, 20:40] = 0
    assert find_lit_part(grey).all()


@pytest.fixture(scope="module")
def squares(real_data: Path) -> list[Pixels]:
    folder = real_data / "ham10000"
    with (folder / "HAM10000_metadata.csv").open() as file:
        names = sorted(row["image_id"] for row in csv.DictReader(file))
    paths = [path for name in names if (path := folder / f"images_224_center/{name}.jpg").is_file()]
    return [prepare(path.read_bytes(), SPEC) for path in paths[7::40]]


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_real_lesions_behind_artefacts(squares: list[Pixels], artefact: str) -> None:
    add = ARTEFACTS[artefact]

    def share(code: str, spoil: Callable[[Pixels], Pixels]) -> float:
        return float(np.mean([code in find_quality_warnings(add(spoil(each))) for each in squares]))

    assert len(squares) > 120
    assert share("blurred", nothing) < 0.04
    assert share("blurred", lambda each: blurred(each, 2)) > 0.97
    assert share("dark", nothing) < 0.02
    assert share("dark", lambda each: each // 4) > 0.95


@pytest.mark.parametrize("lightness", [25, 30, 35])
def test_real_lesions_on_dark_skin(squares: list[Pixels], lightness: float) -> None:
    """Less light has less contrast, so some are called blurred; without the correction for brightness most were."""
    found = [find_quality_warnings(dark_skin(each, lightness)) for each in squares]
    assert np.mean(["dark" in each for each in found]) < 0.02
    assert np.mean(["blurred" in each for each in found]) < 0.2
