"""What augmentation does to pixels and labels."""

import numpy as np
import pytest
import tensorflow as tf

from tests.configs import EVERYTHING, NOTHING
from training.augment import augment, erase, mix, move
from training.config import AugmentConfig
from training.drawn import draw_squares

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
    assert (one[0] == same[0]).all()
    assert (one[1] == same[1]).all()
    assert (one[0] != other[0]).any()


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
    from training.augment import shade

    brighter = shade(tf.constant(grey), config=changed(brightness=0.2), seed=tf.constant([1, 1])).numpy()
    shifts = (brighter - grey)[:, 0, 0, 0]
    assert np.abs(shifts).max() <= 0.2 * 255
    assert np.ptp(shifts) > 10
    shaded = shade(tf.cast(IMAGES, tf.float32), config=changed(contrast=0.15), seed=tf.constant([1, 1])).numpy()
    ratios = shaded.std(axis=(1, 2, 3)) / IMAGES.std(axis=(1, 2, 3))
    assert shaded.mean(axis=(1, 2, 3)) == pytest.approx(IMAGES.mean(axis=(1, 2, 3)), rel=1e-3)
    assert (np.abs(ratios - 1) <= 0.151).all()
    assert np.ptp(ratios) > 0.02


def test_blur_smooths_some_images_only() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), np.uint8)
    images, _ = augment(
        tf.constant(noise), tf.zeros((64, 7)), config=changed(blur_probability=0.25), seed=tf.constant([1, 1])
    )
    blurred = images.numpy().std(axis=(1, 2, 3)) < 0.6 * noise.std(axis=(1, 2, 3))
    assert 6 < blurred.sum() < 28
    assert (images.numpy()[~blurred] == noise[~blurred]).all()


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
    """Each image is one level, and so is each label: what is mixed can be read off."""
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
