"""Two or more models on the same lesions: their numbers, the differences, and which differences are real.

Differences are resampled in pairs: a resample draws the same lesions for every model, so that what makes a lesion hard
for all of them cancels out (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.manifest import Interval
from inference.registry import quiet_mlflow
from training.metrics import all_numbers
from training.predictions import InvalidPredictions, Predictions, read_predictions
from training.resampling import Draws, interval_if_defined, lesion_weights

Key = tuple[str, str]  # a number's name and its class, or ""

_PROMOTION: dict[Key, str] = {("balanced_accuracy", ""): "balanced accuracy", ("recall", "mel"): "melanoma recall"}
_NOISE = 1e-9  # rounding of floating-point sums
_LOWER_IS_BETTER = ("calibration_error",)


class NotComparable(ValueError):
    """The predictions do not belong to the same lesions; the message counts what they share."""


class NoPredictions(LookupError):
    """There is no such run, or it stored no predictions."""


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """A model's predictions under a name; `leaky` if its parts were split by image."""

    name: str
    predictions: Predictions
    leaky: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """A number minus the first contender's, with the 95 % interval of the paired resamples."""

    name: str
    interval: Interval

    @property
    def real(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval.low > _NOISE or self.interval.high < -_NOISE

    @property
    def better(self) -> bool:
        """Whether the value moved in the good direction."""
        return (self.interval.value > 0) != (self.name in _LOWER_IS_BETTER)


@dataclass(frozen=True, slots=True)
class Column:
    """One contender in a comparison. A number is None where the shared images do not define it."""

    name: str
    leaky: bool
    images: int
    lesions: int
    numbers: Mapping[Key, Interval | None]
    differences: Mapping[Key, Difference | None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The contenders on the images they share; the first has no differences."""

    images: int
    lesions: int
    columns: tuple[Column, ...]


def compare(contenders: Sequence[Contender], *, seed: int, resamples: int = 1000) -> Comparison:
    """Measure every contender on the images that all of them have, and the differences from the first.

    Raises NotComparable: fewer than two, names not different, no shared image, or images whose label or lesion differs.
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
            numbers={key: interval_if_defined(each) for key, each in own.items()},
            differences={} if own is draws[0] else {key: _difference(key, own, draws[0]) for key in own},
        )
        for contender, own in zip(contenders, draws, strict=True)
    ]
    return Comparison(images=len(shared[0]), lesions=_count_lesions(shared[0]), columns=tuple(columns))


def worse_than(candidate: Predictions, champion: Predictions, *, seed: int, resamples: int = 1000) -> str | None:
    """Why the candidate is worse than the champion on the same lesions, in a sentence; None if it is not.

    Worse means that the paired 95 % interval of balanced accuracy or of melanoma recall lies below 0. Raises
    NotComparable, also when the shared images show no melanoma.
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


def fetch_contender(run_id: str, *, tracking_uri: str, part: str = "test") -> Contender:
    """A run's stored predictions (artifact predictions/<part>.csv), named after the run; leaky by its data.split.

    Raises NoPredictions, InvalidPredictions.
    """
    quiet_mlflow()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=tracking_uri)
    try:
        run = client.get_run(run_id)
        with tempfile.TemporaryDirectory() as folder:
            path = client.download_artifacts(run_id, f"predictions/{part}.csv", folder)
            predictions = read_predictions(Path(path))
    except InvalidPredictions as error:
        raise InvalidPredictions(f"Run {run_id}: {error}") from error
    except (MlflowException, OSError) as error:  # MLflow 3.17 raises OSError for a missing local artifact
        raise NoPredictions(f"Run {run_id} has no predictions/{part}.csv in {tracking_uri}: {error}") from error
    name = f"{run.info.run_name} ({run_id[:8]})"
    return Contender(name, predictions, leaky=run.data.params.get("data.split") == "image")


def _on_shared_images(contenders: Sequence[Contender]) -> list[Predictions]:
    """Everybody's predictions for the images all of them have, in one order."""
    parts = [contender.predictions for contender in contenders]
    images = reduce(np.intersect1d, (part.image_ids for part in parts))
    if not len(images):
        lesions = reduce(np.intersect1d, (part.lesion_ids for part in parts))
        sizes = ", ".join(f"{each.name} has {len(each.predictions)} images" for each in contenders)
        raise NotComparable(f"The test parts share no image and {len(lesions)} lesions ({sizes}): nothing is paired.")
    shared = [part.at(_rows_of(images, part)) for part in parts]
    for contender, part in zip(contenders, shared, strict=True):
        differing = (part.labels != shared[0].labels) | (part.lesion_ids != shared[0].lesion_ids)
        if differing.any():
            raise NotComparable(
                f"{contender.name} and {contenders[0].name} disagree about the diagnosis or the lesion of "
                f"{differing.sum()} of {len(images)} shared images, such as {images[differing][0]}."
            )
    return shared


def _rows_of(images: NDArray[np.str_], part: Predictions) -> NDArray[np.int64]:
    order = np.argsort(part.image_ids)
    return np.asarray(order[np.searchsorted(part.image_ids, images, sorter=order)])


def _draw(parts: Sequence[Predictions], *, seed: int, resamples: int) -> list[dict[Key, Draws]]:
    """Every number of every part on the same resamples."""
    weights = lesion_weights(parts[0].lesion_ids, resamples=resamples, seed=seed)
    return [all_numbers(part.labels, part.probabilities, weights) for part in parts]


def _difference(key: Key, own: Mapping[Key, Draws], first: Mapping[Key, Draws]) -> Difference | None:
    interval = interval_if_defined(own[key] - first[key])
    return Difference(key[0], interval) if interval else None


def _count_lesions(predictions: Predictions) -> int:
    return len(np.unique(predictions.lesion_ids))
