"""Metrics with their intervals as a benchmark prints them: four decimals."""

from inference.bundle.manifest import Interval
from training.evaluation.bootstrap import Draws, interval_if_defined


def printed(interval: Interval) -> dict[str, float]:
    """The value and the ends of its interval."""
    return {name: round(value, 4) for name, value in interval.model_dump().items()}


def rounded(draws: Draws) -> dict[str, float] | None:
    """The value of a metric and its 95 % interval; None if it has no value, as in a trial with few images."""
    found = interval_if_defined(draws)
    return printed(found) if found else None
