"""Where the strongest evidence lies: share, centre, box, words."""

import numpy as np
import pytest

from inference.explainers.class_maps import ExplanationRequest
from inference.explainers.evidence import find_evidence
from inference.explainers.heatmap import canvas, heatmap, levels
from inference.imaging.preprocessing import Box
from inference.prediction.classifier import Classifier
from inference.prediction.messages import describe_evidence
from inference.prediction.serialization import explanation_reply
from tests.support.lesion_images import lesion


def block(left: int, top: int, *, width: int = 20, height: int = 10) -> np.ndarray:
    grey = np.zeros((100, 200), np.uint8)
    grey[top : top + height, left : left + width] = 200
    return grey


def test_a_block() -> None:
    found = find_evidence(block(30, 60))
    assert found is not None
    assert found.share == pytest.approx(200 / 20_000)
    assert (found.x, found.y) == pytest.approx((0.2, 0.65))
    assert (found.left, found.top, found.width, found.height) == pytest.approx((0.15, 0.6, 0.1, 0.1))


def test_weak_evidence_does_not_count_and_none_is_none() -> None:
    grey = block(30, 60)
    grey[0, 0] = 127
    assert find_evidence(grey) == find_evidence(block(30, 60))
    assert find_evidence(np.full((4, 4), 127, np.uint8)) is None


@pytest.mark.parametrize(
    ("left", "top", "english", "spanish"),
    [
        (0, 45, "centre-left, 1% of the image", "centro izquierda, 1\u202f% de la imagen"),
        (90, 45, "centre, 1% of the image", "centro, 1\u202f% de la imagen"),
        (180, 0, "upper right, 1% of the image", "arriba a la derecha, 1\u202f% de la imagen"),
        (90, 90, "lower centre, 1% of the image", "abajo en el centro, 1\u202f% de la imagen"),
    ],
)
def test_words(left: int, top: int, english: str, spanish: str) -> None:
    found = find_evidence(block(left, top))
    assert found is not None
    assert describe_evidence(found, "en") == english
    assert describe_evidence(found, "es") == spanish
    with pytest.raises(KeyError):
        describe_evidence(found, "de")  # type: ignore[arg-type]


def test_the_region_of_an_explanation_is_in_pixels_of_the_upright_image(fake_classifier: Classifier) -> None:
    prepared = fake_classifier.prepare(lesion(width=3000, height=2000))  # its heat maps are smaller
    analysis = fake_classifier.analyse(prepared, fake_classifier.run(prepared.batch), ExplanationRequest())
    (explained,) = explanation_reply(analysis, "en").explanations
    region = explained.region
    assert region is not None
    box, view = region.box, analysis.field_of_view
    assert view.x - 3 <= box.x < box.x + box.width <= view.x + view.width + 3
    assert 0 <= box.y < box.y + box.height <= 2000
    assert box.x <= region.centroid.x <= box.x + box.width
    assert box.y <= region.centroid.y <= box.y + box.height
    assert region.share <= box.width * box.height / (3000 * 2000) + 0.001
    assert region.words.endswith("% of the image")


def test_the_cells_of_a_map_make_its_heat_map() -> None:
    """The page draws from these: rounding them to grey levels changes no pixel by more than one level."""
    cells = np.random.default_rng(0).random((7, 7), np.float32)
    on = canvas(width=60, height=40, view=Box(10, 0, 40, 40))
    drawn, again = heatmap(cells, on=on), heatmap(levels(cells).astype(np.float32), on=on)
    assert np.abs(drawn.astype(int) - again.astype(int)).max() <= 1
    assert levels(np.zeros((2, 2), np.float32)).max() == 0
