"""Notices that a training has diverged."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


class Diverged(ArithmeticError):
    """A loss or a weight is not a finite number; the message names stage, epoch, learning rate and what to try."""


def check_finite(numbers: Mapping[str, float], *, weights: Iterable[Any], words: str) -> None:
    """Check the `numbers` of an epoch, which `words` names, and the weights after it. Raises Diverged."""
    wrong = [key for key, value in numbers.items() if not math.isfinite(value)]
    if not wrong and not all(np.isfinite(np.asarray(weight)).all() for weight in weights):
        wrong = ["a weight"]
    if wrong:
        raise Diverged(
            f"{words}: {', '.join(wrong)} is not a finite number (learning rate {numbers['learning_rate']:.3g}). "
            "Nothing of this epoch was saved; the same command continues before it. Try a lower learning rate, a "
            'smaller clip, or precision "mixed_bfloat16" or "float32" in place of "mixed_float16".'
        )
