"""The measures of heat maps on pictures whose evidence is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.bundle.manifest import Interval
from inference.bundle.map_evaluation import CENTRE, MapEvaluation
from inference.bundle.storage import Bundle, Head
from inference.domain.taxonomy import CLASSES
from inference.explainers import EXPLAINERS
from tests.support.fakes import SIZE, FakeRuntime
from training.bundling.card_maps import maps_section
from training.data import prepared_images
from training.data.ham10000 import ImageRecord
from training.data.synthetic_lesions import draw_squares
from training.evaluation import maps
from training.evaluation.lesion_mask import centre_blob, lesion_mask, skin_colour
from training.evaluation.maps import _correlation
from training.evaluation.perturbation import measure_changes
from training.evaluation.shuffled_network import shuffled_head

pytestmark = pytest.mark.numeric
SIDE = 224
SKIN, SPOT = np.array([200, 150, 140], np.uint8), (slice(32, 96), slice(128, 192))


def picture() -> np.ndarray:
    """Skin with a dark square off the centre."""
    rgb = np.broadcast_to(SKIN, (SIDE, SIDE, 3)).copy()
    rgb[SPOT] = (60, 30, 30)
    return rgb


def darkness(pictures: np.ndarray) -> np.ndarray:
    """An answer that depends on the square alone: 0.1 without it, 0.9 when the whole of it is seen."""
    seen = (200 - pictures[:, *SPOT, 0].astype(float)).mean(axis=(1, 2)) / 140
    return np.asarray(0.1 + 0.8 * seen)


def test_a_map_of_the_evidence_beats_one_beside_it_on_every_measure() -> None:
    rgb, evidence = picture(), np.zeros((SIDE, SIDE), np.float32)
    evidence[SPOT] = 1
    right, wrong = (
        measure_changes(rgb, relevance, hidden=SKIN, answer=darkness) for relevance in (evidence, 1 - evidence)
    )
    assert right.insertion > 0.8 > 0.2 > right.deletion
    assert wrong.insertion < 0.2 < 0.8 < wrong.deletion
    assert right.drop == pytest.approx(0, abs=0.01)
    assert wrong.drop == pytest.approx(0.8 / 0.9, abs=0.01)


def test_the_areas_are_those_of_the_curves() -> None:
    """With a constant answer nothing can be inserted or deleted."""
    constant = measure_changes(
        picture(), centre_blob(SIDE), hidden=SKIN, answer=lambda pictures: np.full(len(pictures), 0.7)
    )
    assert (constant.insertion, constant.deletion, constant.drop) == pytest.approx((0.7, 0.7, 0))


def test_the_mask_finds_the_lesion_and_not_the_brighter_centre() -> None:
    rgb = picture()
    rgb[SPOT], rgb[80:180, 40:125] = (120, 80, 75), (255, 250, 250)  # brighter skin, larger and nearer to the centre
    assert skin_colour(rgb).tolist() == SKIN.tolist()
    mask, truth = lesion_mask(rgb), np.zeros((SIDE, SIDE), bool)
    truth[SPOT] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9
    assert 0.4 < lesion_mask(np.broadcast_to(SKIN, rgb.shape).copy()).mean() < 0.6  # nothing: the central half


def test_drawn_lesions_are_found() -> None:
    for drawn in draw_squares(size=SIDE, count=4):
        assert lesion_mask(drawn)[SIDE // 2 - 20 : SIDE // 2 + 20, SIDE // 2 - 20 : SIDE // 2 + 20].mean() > 0.5


def test_a_shuffled_head_changes_grad_cam(starter: Bundle) -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(0, 1, (1, 7, 7, starter.head.w.shape[0])).astype(np.float32)
    unknowing = shuffled_head(starter.head, generator)
    assert np.array_equal(np.sort(unknowing.w, axis=0), np.sort(starter.head.w, axis=0))
    own, other = (EXPLAINERS["gradcam"](features, head)[0, :, :, 4] for head in (starter.head, unknowing))
    assert abs(_correlation(own, other)) < 0.5 < _correlation(own, own)
    assert _correlation(own, np.zeros_like(own)) == 0


def evaluate_fake(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, *, shuffled: float) -> MapEvaluation:
    """The fake network on drawn lesions; `shuffled` times its features are those of the shuffled network."""
    fake = FakeRuntime(bundle)
    monkeypatch.setattr(maps, "open_runtime", lambda _, precision: fake)
    monkeypatch.setattr(maps, "shuffled_features", lambda *_: lambda square: shuffled * fake.run(square).features)
    monkeypatch.setattr(
        prepared_images, "prepare_images", lambda records, _: draw_squares(size=SIZE, count=len(records))
    )
    records = [ImageRecord(Path(f"{n}.jpg"), str(n), str(n), label=n // 2) for n in range(2 * len(CLASSES))]
    return maps.evaluate_maps(bundle, records, source="drawn lesions", seed=1, per_class=1)


def test_an_empty_map_of_the_shuffled_network_is_not_compared(
    fake_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = evaluate_fake(fake_bundle, monkeypatch, shuffled=1)
    assert drawn.images == len(CLASSES)
    assert drawn.checks["gradcam++"].empty == 0
    assert drawn.checks["gradcam++"].shuffled_network is not None
    empty = evaluate_fake(fake_bundle, monkeypatch, shuffled=0)
    assert [(check.shuffled_network, check.empty) for check in empty.checks.values()] == [(None, 7), (None, 7)]
    assert "not measured: no map in 7 of 7 images" in maps_section(empty)


def test_the_advantage_is_insertion_minus_deletion_beyond_the_centres(
    fake_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = evaluate_fake(fake_bundle, monkeypatch, shuffled=1).scores
    centre = found[CENTRE].insertion.value - found[CENTRE].deletion.value
    for score in found.values():
        expected = score.insertion.value - score.deletion.value - centre
        assert score.advantage.value == pytest.approx(expected)
    assert max(abs(score.advantage.value) for score in found.values()) > 0.001


def test_the_map_of_the_shifted_picture_is_moved_back(fake_bundle: Bundle) -> None:
    """A bright spot in the middle of a cell lies between four cells of the shifted picture."""
    head = Head(w=np.ones_like(fake_bundle.head.w), b=fake_bundle.head.b)
    bright, square = replace(fake_bundle, head=head), np.zeros((32, 32, 3), np.uint8)
    square[10:14, 10:14] = 255
    moved = 2 * maps._with_shifted(square, np.zeros((32, 32), np.float32), FakeRuntime(bright), bright, 0)
    rows, columns = np.mgrid[:32, :32]
    centre = [float((axis * moved).sum() / moved.sum()) for axis in (rows, columns)]
    assert centre == pytest.approx([11.5, 11.5], abs=2)


def test_what_is_not_better_than_the_centre_is_said(starter: Bundle) -> None:
    known = starter.maps
    assert known.not_better_by("gradcam") == ("average_drop", "peak_inside")
    score = known.scores["gradcam"]
    best = score.model_copy(update={"average_drop": Interval(value=0, low=0, high=0)})
    better = known.model_copy(update={"scores": known.scores | {"gradcam": best}})
    assert better.not_better_by("gradcam") == ("peak_inside",)
    assert "it is not better by peak inside." in maps_section(better)
