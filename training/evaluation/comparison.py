"""Compares models on the same lesions: their metrics, the differences, and which differences are significant.

Differences use a paired bootstrap: a resample draws the same lesions for every model, so that the difficulty of a
lesion, which all models share, cancels out (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from inference.bundle.manifest import Interval
from training.evaluation.bootstrap import Draws, interval_if_defined, lesion_weights
from training.evaluation.metrics import all_numbers
from training.evaluation.predictions import Predictions

Key = tuple[str, str]  # the name of a metric and its class, or ""

_PROMOTION: dict[Key, str] = {("balanced_accuracy", ""): "balanced accuracy", ("recall", "mel"): "melanoma recall"}
_ROUNDING = 1e-9  # of floating-point sums
_LOWER_IS_BETTER = ("calibration_error",)


class NotComparable(ValueError):
    """The predictions are not for the same images; the message says what they share."""


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """A named model with its predictions for its test set; `leaky` if its data were split by image."""

    name: str
    predictions: Predictions
    leaky: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric minus that of the first contender, with the 95 % interval of the paired resamples."""

    name: str
    interval: Interval

    @property
    def real(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval.low > _ROUNDING or self.interval.high < -_ROUNDING

    @property
    def better(self) -> bool:
        """Whether the value is better than that of the first contender."""
        return (self.interval.value > 0) != (self.name in _LOWER_IS_BETTER)


@dataclass(frozen=True, slots=True)
class Column:
    """One contender in a comparison. `images` and `lesions` count its own test set.

    A number is None if the shared images do not define it, such as the recall of an absent class.
    """

    name: str
    leaky: bool
    images: int
    lesions: int
    numbers: Mapping[Key, Interval | None]
    differences: Mapping[Key, Difference | None]


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """The contenders on the images that they share; the first one has no differences."""

    images: int
    lesions: int
    columns: tuple[Column, ...]


def compare(contenders: Sequence[Contender], *, seed: int, resamples: int = 1000) -> ModelComparison:
    """Measure every contender on the images that all of them have, and the differences from the first.

    Raises NotComparable for fewer than two contenders, equal names, no shared image, and shared images whose labels or
    lesions differ.
    """
    names = [contender.name for contender in contenders]
    if len(names) < 2 or len(set(names)) < len(names):
        raise NotComparable(f"A comparison needs two or more different names, not {', '.join(names) or 'none'}.")
    shared = _on_shared_images(contenders)
    draws = _draw(shared, seed=seed, resamples=resamples)
    columns = [
        Column(
            name=contender.name,
            leaky=contender.leaky,
            images=len(contender.predictions),
            lesions=_count_lesions(contender.predictions),
            numbers={key: interval_if_defined(of_metric) for key, of_metric in own.items()},
            differences={} if own is draws[0] else {key: _difference(key, own, draws[0]) for key in own},
        )
        for contender, own in zip(contenders, draws, strict=True)
    ]
    return ModelComparison(images=len(shared[0]), lesions=_count_lesions(shared[0]), columns=tuple(columns))


def worse_than(candidate: Predictions, champion: Predictions, *, seed: int, resamples: int = 1000) -> str | None:
    """A sentence that says why the candidate is worse than the champion on the same lesions; None if it is not.

    It is worse if the paired 95 % interval of the difference in balanced accuracy or in melanoma recall is below 0.
    Raises NotComparable, also if the shared images contain no melanoma.
    """
    pair = [Contender("the champion", champion, leaky=False), Contender("the candidate", candidate, leaky=False)]
    result = compare(pair, seed=seed, resamples=resamples)
    reasons = []
    for key, words in _PROMOTION.items():
        difference = result.columns[1].differences[key]
        before, after = (column.numbers[key] for column in result.columns)
        if difference is None or before is None or after is None:
            raise NotComparable(f"The {result.images} shared images do not define {words}.")
        if difference.real and not difference.better:
            reasons.append(
                f"its {words} is {after.value:.3f} against {before.value:.3f}, a difference of "
                f"{difference.interval.value:+.3f} [{difference.interval.low:+.3f}, {difference.interval.high:+.3f}]"
            )
    if not reasons:
        return None
    return (
        f"The candidate is worse than the champion on the {result.lesions} lesions that both were tested on: "
        f"{'; and '.join(reasons)} (95 % interval, paired bootstrap by lesion)."
    )


def _on_shared_images(contenders: Sequence[Contender]) -> list[Predictions]:
    """The predictions of each contender for the images that all of them have, in the same order."""
    predictions = [contender.predictions for contender in contenders]
    images = reduce(np.intersect1d, (own.image_ids for own in predictions))
    if not len(images):
        lesions = reduce(np.intersect1d, (own.lesion_ids for own in predictions))
        sizes = ", ".join(f"{contender.name} has {len(contender.predictions)} images" for contender in contenders)
        raise NotComparable(
            f"The test sets share no image and {len(lesions)} lesions ({sizes}): no predictions can be paired."
        )
    shared = [own.at(_rows_of(images, own)) for own in predictions]
    for contender, own in zip(contenders, shared, strict=True):
        differing = (own.labels != shared[0].labels) | (own.lesion_ids != shared[0].lesion_ids)
        if differing.any():
            raise NotComparable(
                f"{contender.name} and {contenders[0].name} disagree about the diagnosis or the lesion of "
                f"{differing.sum()} of {len(images)} shared images, such as {images[differing][0]}."
            )
    return shared


def _rows_of(images: NDArray[np.str_], predictions: Predictions) -> NDArray[np.int64]:
    order = np.argsort(predictions.image_ids)
    return np.asarray(order[np.searchsorted(predictions.image_ids, images, sorter=order)])


def _draw(shared: Sequence[Predictions], *, seed: int, resamples: int) -> list[dict[Key, Draws]]:
    """Every metric of every contender on the same resamples."""
    weights = lesion_weights(shared[0].lesion_ids, resamples=resamples, seed=seed)
    return [all_numbers(own.labels, own.probabilities, weights) for own in shared]


def _difference(key: Key, own: Mapping[Key, Draws], first: Mapping[Key, Draws]) -> Difference | None:
    interval = interval_if_defined(own[key] - first[key])
    return Difference(key[0], interval) if interval else None


def _count_lesions(predictions: Predictions) -> int:
    return len(np.unique(predictions.lesion_ids))
