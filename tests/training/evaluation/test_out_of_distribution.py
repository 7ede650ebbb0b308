"""The out-of-distribution detector: directions against a plain SVD, equal classes, the threshold, its evaluation."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from inference.bundle.out_of_distribution import scores
from inference.bundle.storage import Bundle
from inference.imaging.decoding import decode
from training.bundling.model_card import render_card
from training.data.far_images import draw_document, draw_texture, far_images
from training.data.ood_photos import photo_files, windows
from training.evaluation.out_of_distribution import (
    Fitted,
    beyond_others,
    choose_threshold,
    find_components,
    measure_kind,
)

pytestmark = pytest.mark.numeric


def draw_features(seed: int, *, counts: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features of classes that each vary along two directions of their own, in 40 channels, with a little noise."""
    directions = np.linalg.qr(np.random.default_rng(5).normal(size=(40, 2 * len(counts))))[0].T
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    along = generator.normal(3, 1, (len(labels), 2))
    x = np.stack([a @ directions[2 * label : 2 * label + 2] for a, label in zip(along, labels, strict=True)])
    return (x + generator.normal(0, 0.1, x.shape)).astype(np.float32), labels


def test_the_components_span_what_the_singular_vectors_do() -> None:
    x, labels = draw_features(0, counts=(50, 50, 50))
    components = find_components(x, labels, count=4)
    assert components.dtype == np.float16
    _, _, vectors = np.linalg.svd(x.astype(float))
    own, plain = components.astype(float), vectors[:4]
    assert np.abs(own.T @ own - plain.T @ plain).max() < 2e-3
    assert np.abs(own @ own.T - np.eye(4)).max() < 2e-3


def test_a_rare_class_counts_like_the_others() -> None:
    """Two directions for two classes; without the weights both would belong to the frequent class."""
    x, labels = draw_features(0, counts=(4000, 4))
    rare, _ = draw_features(1, counts=(0, 200))
    balanced, plain = find_components(x, labels, count=2), find_components(x, np.zeros_like(labels), count=2)
    assert scores(rare, balanced).mean() < 0.5 < scores(rare, plain).mean()


def test_it_is_deterministic() -> None:
    x, labels = draw_features(0, counts=(30, 60))
    one, other = (find_components(x.copy(), labels.copy(), count=3).astype(float) for _ in range(2))
    assert np.abs(one - other).max() < 2e-3, "the resolution of float16"


@pytest.mark.parametrize("count", [20, 100, 897])
def test_the_threshold_keeps_95_percent_and_no_more_than_it_must(count: int) -> None:
    values = np.random.default_rng(count).permutation(np.linspace(0, 0.5, count))
    kept = (values <= choose_threshold(values)).sum()
    assert 0 <= kept - 0.95 * count <= 2


def test_it_keeps_as_many_of_images_it_has_not_seen() -> None:
    counts = (900, 500, 100)
    components = find_components(*draw_features(0, counts=counts), count=6)
    threshold = choose_threshold(scores(draw_features(1, counts=counts)[0], components))
    fresh = scores(draw_features(2, counts=counts)[0], components)
    low, high = binom.ppf([0.001, 0.999], len(fresh), 0.95)
    assert low <= (fresh <= threshold).sum() <= high
    noise = np.random.default_rng(3).normal(0, 1, (100, 40)).astype(np.float32)
    assert (scores(noise, components) > threshold).all()


def test_the_starters_threshold_keeps_93_percent_of_held_out_images(starter: Bundle) -> None:
    """The threshold is chosen and measured on the same images, each scored by the network not trained on it."""
    evaluation, images = starter.ood_detector.evaluation, sum(starter.manifest.data.images.values())
    assert 0.93 <= evaluation.validation_kept <= 0.93 + 2 / images
    assert evaluation.test_flagged == pytest.approx(1 - evaluation.validation_kept)


def test_the_photos_are_what_the_wheels_ship() -> None:
    """Every photo exists and is listed once; its windows are the photo and its four corners."""
    paths = photo_files()
    assert len({path.stem for path in paths}) == len(paths) == 21
    whole, *corners = windows(paths[0])
    assert (whole.rgb == decode(paths[0].read_bytes()).rgb).all()
    assert whole.whole
    height, width = whole.rgb.shape[:2]
    side = min(height, width) // 2
    assert [each.rgb.shape for each in corners] == [(side, side, 3)] * 4
    assert not any(each.whole for each in corners)
    assert (corners[-1].rgb == whole.rgb[-side:, -side:]).all()


def test_far_images_are_the_same_each_time_and_chose_nothing() -> None:
    one = far_images()
    assert [far.kind for far in one] == ["pictures", "faces", "digits", "documents", "textures"]
    assert [len(far.images) for far in one] == [8, 100, 100, 100, 100]
    assert np.array_equal(one[3].images[7], draw_document(7))
    assert np.array_equal(one[4].images[7], draw_texture(7))
    for far in one:
        assert all(rgb.dtype == np.uint8 and rgb.shape[2] == 3 and rgb.std() > 0 for rgb in far.images)
        assert len({rgb.tobytes() for rgb in far.images}) == len(far.images)
    chosen_on = {decode(path.read_bytes()).rgb.tobytes() for path in photo_files()}
    assert not chosen_on & {rgb.tobytes() for rgb in one[0].images}


def test_far_images_are_scored_by_one_network_in_turn_and_flagged_by_all() -> None:
    """Two networks of three features: the first knows the first axis, the second its second one."""
    components = np.zeros((2, 6), np.float16)
    components[0, 0] = components[1, 4] = 1
    known = np.linspace(0, 0.2, 100)
    fitted = Fitted(components, known, known, 0.95, known > 0.19, networks=2)
    pooled = np.array([[1, 0, 0, 1, 0, 0], [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 1, 0]], np.float32)
    assert fitted.single_scores(pooled) == pytest.approx([0, 0, 1])
    assert scores(pooled, components) == pytest.approx([0.5, 0, 0.5])
    lesions = np.array([f"HAM_{number}" for number in range(100)])
    found = measure_kind(pooled, fitted, source="three", lesions=lesions, seed=1)
    assert (found.source, found.images) == ("three", 3)
    assert found.auc.value == pytest.approx((0.5 + 0.5 + 100) / 300), "two tie with the lowest of 100"
    assert found.auc.low < found.auc.value < found.auc.high
    assert found.roc
    area = np.trapezoid(found.roc.true_positive_rate, found.roc.false_positive_rate)
    assert area == pytest.approx(found.auc.value), "the curve is the one whose area is given"
    assert found.flagged.value == pytest.approx(2 / 3)
    # Clopper and Pearson by their definition: at each end the other tail holds 2.5 %.
    assert binom.sf(1, 3, found.flagged.low) == pytest.approx(0.025)
    assert binom.cdf(2, 3, found.flagged.high) == pytest.approx(0.025)


def test_false_flags_come_from_thresholds_of_the_other_folds() -> None:
    held_out = np.concatenate([np.linspace(0, 0.1, 50), np.linspace(0.2, 0.3, 50)])
    fold = np.repeat([0, 1], 50)
    assert beyond_others(held_out, fold).tolist() == [False] * 50 + [True] * 50


def test_a_card_without_a_detector_says_that_it_cannot_tell(starter: Bundle) -> None:
    assert "**cannot tell**" in render_card(starter.manifest, ood_evaluation=None)
    card = render_card(
        starter.manifest,
        ood_evaluation=starter.ood_detector.evaluation,
        uncertainty=starter.uncertainty,
        maps=starter.maps,
        subgroups=starter.subgroups,
    )
    assert "**cannot tell**" not in card
    assert card == (starter.path / "MODEL_CARD.md").read_text()
