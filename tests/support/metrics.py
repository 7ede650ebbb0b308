"""Metrics that two executions of one network print or count, compared as far as rounding allows."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from inference.bundle.manifest import Interval

# Printed with three digits, of which the last may be rounded either way.
ROUNDED = 2e-3


def assert_printed(printed: str, metrics: Mapping[str, Interval]) -> None:
    """`printed` has a line for each metric: its name, its value and its interval."""
    number = r"(\d+\.\d{3})"
    for name, each in metrics.items():
        line = re.search(rf"^{name} +{number} \[{number}, {number}\]$", printed, re.MULTILINE)
        assert line, f"no line for {name}"
        expected = [each.value, each.low, each.high]
        assert [float(found) for found in line.groups()] == pytest.approx(expected, abs=ROUNDED), name


def assert_same_counts(found: Sequence[object], expected: Sequence[object]) -> None:
    """Counts of the same images; one image may be at the border of two bins or classes and be counted in either."""
    assert np.sum(found) == np.sum(expected)
    assert np.abs(np.subtract(found, expected)).sum() <= 2
