"""Drawn lesions for golden cases and tests: they resemble dermoscopic images and show no patient."""

import cv2
import numpy as np
from numpy.typing import NDArray


def draw_lesion(*, width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """Draw a pigmented lesion with a darker rim, some dots and a soft vignette: uint8 RGB [height, width, 3]."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    skin = np.array([222, 178, 158], np.float32) + generator.uniform(-14, 14, 3).astype(np.float32)
    pigment = np.array([110, 66, 48], np.float32) + generator.uniform(-30, 30, 3).astype(np.float32)
    centre = generator.uniform(0.4, 0.6, 2) * (width, height)
    radius = generator.uniform(0.2, 0.32) * min(width, height)

    angle = np.arctan2(y - centre[1], x - centre[0])
    border = radius * (
        1 + sum(generator.uniform(0.02, 0.12) * np.sin(k * angle + generator.uniform(0, 6.3)) for k in (2, 3, 5))
    )
    distance = np.hypot(x - centre[0], y - centre[1])
    inside = 1 / (1 + np.exp((distance - border) / (0.04 * radius)))
    rim = np.exp(-(((distance - border) / (0.12 * radius)) ** 2))
    cover = np.clip(0.75 * inside + 0.25 * inside * rim, 0, 1)[:, :, np.newaxis]
    pixels = skin * (1 - cover) + pigment * cover

    vignette = 1 - 0.25 * (((x - width / 2) / width) ** 2 + ((y - height / 2) / height) ** 2)
    drawing: NDArray[np.uint8] = np.clip(pixels * vignette[:, :, np.newaxis], 0, 255).astype(np.uint8)
    for _ in range(generator.integers(6, 16)):
        spot = centre + generator.normal(0, radius / 2, 2)
        colour = tuple(float(c) for c in pigment * 0.6)
        cv2.circle(drawing, (int(spot[0]), int(spot[1])), max(1, int(radius / 25)), colour, -1, cv2.LINE_AA)
    return drawing


def draw_squares(*, size: int, count: int) -> NDArray[np.uint8]:
    """`count` different drawn lesions as a batch uint8 [count, size, size, 3]."""
    return np.stack([draw_lesion(width=size, height=size, seed=seed) for seed in range(count)])
