"""Insertion, deletion and average drop: how an answer changes when parts of the image are hidden."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

PATCHES = 14  # along a side: patches of 16 pixels in a square of 224
STEPS = 10

Answer = Callable[[NDArray[np.uint8]], NDArray[np.float64]]  # uint8 [n, s, s, 3] -> probability of the answer [n]


@dataclass(frozen=True, slots=True)
class Changes:
    """Areas under the curves of insertion and deletion, and the relative loss of probability."""

    insertion: float
    deletion: float
    drop: float


def measure_changes(
    rgb: NDArray[np.uint8], relevance: NDArray[np.float32], *, hidden: NDArray[np.uint8], answer: Answer
) -> Changes:
    """Of one square uint8 [s, s, 3] and its map float32 [s, s]; hidden parts get the colour `hidden` uint8 [3].

    Insertion and deletion: Petsiuk, Das, Saenko, BMVC 2018, in STEPS equal shares of PATCHES^2 patches. Average drop:
    Chattopadhay et al., WACV 2018.
    """
    blank = np.broadcast_to(hidden, rgb.shape)
    order = _order_of_patches(relevance)
    masks = [_mask(order, step, rgb.shape[0]) for step in range(STEPS + 1)]
    scaled = relevance / max(float(relevance.max()), 1e-12)
    seen = np.rint(rgb * scaled[..., np.newaxis] + blank * (1 - scaled[..., np.newaxis])).astype(np.uint8)
    pictures = [np.where(mask, rgb, blank) for mask in masks] + [np.where(mask, blank, rgb) for mask in masks[1:-1]]
    found = answer(np.stack([*pictures, seen]))
    inserted, whole = found[: STEPS + 1], float(found[STEPS])
    deleted = np.concatenate([[whole], found[STEPS + 1 : -1], [found[0]]])
    return Changes(
        insertion=float(np.trapezoid(inserted, dx=1 / STEPS)),
        deletion=float(np.trapezoid(deleted, dx=1 / STEPS)),
        drop=max(0.0, whole - float(found[-1])) / whole,
    )


def _order_of_patches(relevance: NDArray[np.float32]) -> NDArray[np.int64]:
    """The rank of each patch, int64 [PATCHES, PATCHES]: 0 for the most relevant; ties in a fixed random order."""
    means = cv2.resize(relevance, (PATCHES, PATCHES), interpolation=cv2.INTER_AREA).ravel()
    shuffled = np.random.default_rng(0).permutation(means.size)
    ranks = np.empty(means.size, np.int64)
    ranks[shuffled[np.argsort(-means[shuffled], kind="stable")]] = np.arange(means.size)
    return ranks.reshape(PATCHES, PATCHES)


def _mask(order: NDArray[np.int64], step: int, side: int) -> NDArray[np.bool_]:
    """Whether each pixel belongs to the first step / STEPS of the patches, bool [side, side, 1]."""
    first = (order < round(order.size * step / STEPS)).astype(np.uint8)
    return np.asarray(cv2.resize(first, (side, side), interpolation=cv2.INTER_NEAREST), bool)[..., np.newaxis]
