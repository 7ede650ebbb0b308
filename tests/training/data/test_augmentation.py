"""The effects of augmentation on pixels and labels."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.configs import EVERYTHING, NOTHING
from training.config import AugmentConfig
from training.data.augmentation import augment, erase, mix, move, shade, tint
from training.data.synthetic_lesions import draw_squares

pytestmark = pytest.mark.numeric
IMAGES = draw_squares(size=48, count=6)
LABELS = np.eye(7, dtype=np.float32)[[0, 1, 2, 3, 4, 5]]


def changed(**changes: object) -> AugmentConfig:
    return NOTHING.model_copy(update=changes)


def run(config: AugmentConfig, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    images, labels = augment(tf.constant(IMAGES), tf.constant(LABELS), config=config, seed=tf.constant([seed, 1]))
    return images.numpy(), labels.numpy()


def test_nothing_changes_nothing() -> None:
    images, labels = run(NOTHING)
    assert (images == IMAGES).all()
    assert (labels == LABELS).all()


def test_the_seed_decides() -> None:
    one, same, other = run(EVERYTHING, 1), run(EVERYTHING, 1), run(EVERYTHING, 2)
    assert np.abs(one[0].astype(int) - same[0]).max() <= 1
    assert one[1] == pytest.approx(same[1], abs=1e-6)
    assert np.abs(one[0].astype(int) - other[0]).max() > 9


@pytest.mark.parametrize("seed", range(5))
def test_shapes_types_and_label_sums_stay(seed: int) -> None:
    images, labels = run(EVERYTHING, seed)
    assert (images.shape, images.dtype) == (IMAGES.shape, np.uint8)
    assert (labels.shape, labels.dtype) == (LABELS.shape, np.float32)
    assert labels.sum(axis=1) == pytest.approx(np.ones(6))
    assert (images != IMAGES).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize(("config", "axis"), [(changed(horizontal_flip=True), 1), (changed(vertical_flip=True), 0)])
def test_flips_are_exact_and_happen_half_the_time(config: AugmentConfig, axis: int) -> None:
    flipped, kept = 0, 0
    for seed in range(20):
        for before, after in zip(IMAGES, run(config, seed)[0], strict=True):
            flipped += (np.flip(before, axis) == after).all()
            kept += (before == after).all()
    assert flipped + kept == 120
    assert 40 < flipped < 80


def test_rotation_is_about_the_centre_and_keeps_its_size() -> None:
    disc = np.zeros((1, 65, 65, 3), np.float32)
    y, x = np.mgrid[-32:33, -32:33]
    disc[0, np.hypot(x, y) < 20] = 200
    turned = move(tf.constant(disc), config=changed(rotation=0.5), seed=tf.constant([3, 4])).numpy()
    assert np.abs(turned - disc).mean() < 2
    bar = np.zeros((1, 65, 65, 3), np.float32)
    bar[0, 30:35, 10:55] = 200
    turned = move(tf.constant(bar), config=changed(rotation=0.5), seed=tf.constant([3, 4])).numpy()
    assert np.abs(turned - bar).mean() > 5
    assert turned.sum() == pytest.approx(bar.sum(), rel=0.02)


@pytest.mark.parametrize(("config", "low", "high"), [
    (changed(zoom=0.15), 1 / 1.15**2, 1 / 0.85**2), (changed(translation=0.08), 0.99, 1.01),
])  # fmt: skip
def test_zoom_changes_the_area_within_bounds_and_translation_does_not(
    config: AugmentConfig, low: float, high: float
) -> None:
    square = np.zeros((8, 65, 65, 3), np.float32)
    square[:, 22:43, 22:43] = 200
    moved = move(tf.constant(square), config=config, seed=tf.constant([1, 2])).numpy()
    areas = moved.sum(axis=(1, 2, 3)) / square.sum(axis=(1, 2, 3))
    assert (areas > low - 0.01).all()
    assert (areas < high + 0.01).all()
    assert np.abs(moved - square).max() > 50


def test_brightness_and_contrast_keep_to_their_ranges() -> None:
    grey = np.full((6, 48, 48, 3), 128.0, np.float32)
    brighter = shade(tf.constant(grey), config=changed(brightness=0.2), seed=tf.constant([1, 1])).numpy()
    shifts = (brighter - grey)[:, 0, 0, 0]
    assert np.abs(shifts).max() <= 0.2 * 255
    assert np.ptp(shifts) > 10
    shaded = shade(tf.cast(IMAGES, tf.float32), config=changed(contrast=0.15), seed=tf.constant([1, 1])).numpy()
    ratios = shaded.std(axis=(1, 2, 3)) / IMAGES.std(axis=(1, 2, 3))
    assert shaded.mean(axis=(1, 2, 3)) == pytest.approx(IMAGES.mean(axis=(1, 2, 3)), rel=1e-3)
    assert (np.abs(ratios - 1) <= 0.151).all()
    assert np.ptp(ratios) > 0.02


@pytest.mark.parametrize("kind", ["rotation", "zoom", "translation", "contrast", "brightness"])
@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_a_change_happens_to_the_share_of_images_asked_for(kind: str, probability: float) -> None:
    noise = np.random.default_rng(0).integers(50, 200, (256, 16, 16, 3), np.uint8)
    config = changed(**{kind: 0.3, f"{kind}_probability": probability})
    images, _ = augment(tf.constant(noise), tf.zeros((256, 7)), config=config, seed=tf.constant([1, 1]))
    share = (images.numpy() != noise).any(axis=(1, 2, 3)).mean()
    # Five standard deviations; a change may be drawn so small that rounding takes it back.
    assert share == pytest.approx(probability, abs=5 * (probability * (1 - probability) / 256) ** 0.5 + 0.03)


def test_changes_happen_independently_of_each_other() -> None:
    config = changed(contrast=0.3, contrast_probability=0.5, brightness=0.3, brightness_probability=0.5)
    noise = np.random.default_rng(0).integers(100, 150, (1000, 16, 16, 3)).astype(np.float32)
    shaded = shade(tf.constant(noise), config=config, seed=tf.constant([1, 1])).numpy()
    brighter = np.abs(shaded.mean(axis=(1, 2, 3)) - noise.mean(axis=(1, 2, 3))) > 0.01
    steeper = np.abs(shaded.std(axis=(1, 2, 3)) / noise.std(axis=(1, 2, 3)) - 1) > 1e-4
    assert (brighter & steeper).mean() == pytest.approx(0.25, abs=0.07)
    assert (brighter | steeper).mean() == pytest.approx(0.75, abs=0.07)


def test_erased_rectangles_have_the_sides_asked_for() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 50, 50, 3)).astype(np.float32)
    config = changed(erase_probability=0.25, erase_sides=(0.08, 0.20))
    erased = erase(tf.constant(noise), config=config, seed=tf.constant([2, 3])).numpy()
    touched = (erased != noise).any(axis=3)
    chosen = touched.any(axis=(1, 2))
    assert 25 < chosen.sum() < 80
    for mask in touched[chosen]:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert 4 <= len(rows) <= 10
        assert 4 <= len(columns) <= 10
        assert mask.sum() == len(rows) * len(columns)


@pytest.mark.parametrize("alpha", [None, 0.4])
def test_mixup_mixes_images_and_labels_by_the_same_share(alpha: float | None) -> None:
    """Each image has one grey level and one label, so that the mixing weights can be read from the result."""
    levels = np.arange(6, dtype=np.float32)
    images = np.broadcast_to(levels[:, None, None, None], (6, 4, 4, 3))
    config = changed(mixup_probability=1.0, mixup_alpha=alpha)
    mixed, labels = mix(tf.constant(images), tf.constant(LABELS), config=config, seed=tf.constant([1, 2]))
    assert labels.numpy() @ np.arange(7) == pytest.approx(mixed.numpy()[:, 0, 0, 0], abs=1e-5)
    assert (labels.numpy().max(axis=1) < 1).any()


def test_cutmix_labels_follow_the_area() -> None:
    levels = np.arange(6, dtype=np.float32)
    images = np.broadcast_to(levels[:, None, None, None], (6, 40, 40, 3))
    config = changed(cutmix_probability=1.0, cutmix_sides=(0.3, 0.6))
    mixed, labels = mix(tf.constant(images), tf.constant(LABELS), config=config, seed=tf.constant([1, 2]))
    assert labels.numpy() @ np.arange(7) == pytest.approx(mixed.numpy()[..., 0].mean(axis=(1, 2)), abs=1e-4)
    foreign = [(image != level).mean() for image, level in zip(mixed.numpy(), levels, strict=True)]
    assert 0.3**2 - 0.03 <= max(foreign) <= 0.6**2 + 0.03


def test_batches_are_mixed_as_often_as_asked() -> None:
    config = changed(mixup_probability=0.25, cutmix_probability=0.25)
    mixed = sum((run(config, seed)[1].max(axis=1) < 1).any() for seed in range(200))
    assert 70 < mixed < 130


def test_the_two_mixings_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="must not exceed 1"):
        AugmentConfig.model_validate(EVERYTHING.model_dump() | {"mixup_probability": 0.6})


def disc(size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.repeat((200.0 * (np.hypot(x, y) < size / 4))[None, ..., None], 3, axis=3).astype(np.float32)


def test_a_larger_prepared_image_is_resampled_about_its_centre() -> None:
    large, small = disc(96), disc(64)
    moved = move(tf.constant(large), config=NOTHING, seed=tf.constant([1, 1]), size=64).numpy()
    assert moved.shape == small.shape
    assert np.abs(moved - small).mean() < 3


def test_random_crops_show_the_share_asked_for_within_the_image() -> None:
    """Each pixel holds its own position, so that the corners of a crop can be read from it."""
    side = 96
    y, x = np.mgrid[:side, :side].astype(np.float32)
    images = np.repeat(np.stack([x, y, 0 * x], axis=-1)[None], 200, axis=0)
    config = changed(crop_area=(0.25, 1.0), crop_ratio=(0.75, 4 / 3))
    crops = move(tf.constant(images), config=config, seed=tf.constant([1, 2]), size=48).numpy()
    assert crops.shape == (200, 48, 48, 3)
    width = (crops[:, 24, -1, 0] - crops[:, 24, 0, 0]) / 47 * 48
    height = (crops[:, -1, 24, 1] - crops[:, 0, 24, 1]) / 47 * 48
    area, ratio = width * height / side**2, width / height
    assert area.min() >= 0.24
    assert area.max() <= 1.01
    assert ratio.min() >= 0.74
    assert ratio.max() <= 1.35
    assert np.ptp(area) > 0.5
    assert np.ptp(ratio) > 0.3
    assert np.ptp(crops[:, 0, 0, 0]) > 15  # not always the same corner
    flat = move(tf.ones((50, 32, 32, 3)), config=config, seed=tf.constant([1, 2])).numpy()
    assert flat == pytest.approx(np.ones_like(flat))


def test_each_channel_has_its_own_gain() -> None:
    grey = tf.fill([300, 8, 8, 3], 100.0)
    config = changed(channel_gain=0.2, channel_probability=0.5)
    gains = tint(grey, config=config, seed=tf.constant([1, 1])).numpy()[:, 0, 0] / 100
    assert (np.abs(gains - 1) <= 0.2001).all()
    assert (np.ptp(gains, axis=1) > 0.01).mean() == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("change", [
    {"crop_area": (0.9, 0.5)}, {"crop_ratio": (0.0, 1.0)}, {"blur_sigma": (0.0, 1.0)},
    {"sharpen_amount": (1.0, 0.5)}, {"jpeg_quality": (0, 50)},
])  # fmt: skip
def test_bounds_are_checked_with_the_allowed_values(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(change))} must be two numbers from [\d.]+ to \d+, the smaller"):
        AugmentConfig.model_validate(NOTHING.model_dump() | {"mixup_alpha": "none"} | change)
