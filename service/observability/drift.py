"""Drift: the population stability index of the last answers against those on the test set."""

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from inference.bundle.drift_reference import BINS, DriftReference, confidence_bin
from inference.domain.model_version import ModelVersion
from inference.domain.taxonomy import CLASSES
from inference.prediction.classifier import Prediction

WINDOW = 500
FEWEST = 100  # with fewer answers the index exceeds 0.25 by chance too often; see docs/operations.md


class Drift(Collector):
    """Compares the last WINDOW answers of the served version with its reference; a swap empties the window.

    Without a reference, or with fewer than FEWEST answers, there is no index.
    """

    def __init__(self) -> None:
        self._window: _Window | None = None

    def follow(self, version: ModelVersion, reference: DriftReference | None) -> None:
        """Start a new window for the version that serves from now on."""
        self._window = _Window(version, reference)

    def note(self, version: ModelVersion, prediction: Prediction) -> None:
        """Count an answer, unless it comes from a version that has been swapped out meanwhile."""
        if self._window and self._window.version == version:
            self._window.answers.append((prediction.code, confidence_bin(float(prediction.probabilities.max()))))

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        index = GaugeMetricFamily(
            "lunar_drift_index",
            "Population stability index of the last answers against the bundle's reference",
            labels=["of"],
        )
        window = self._window
        if window and window.reference and len(window.answers) >= FEWEST:
            codes, bins = (Counter(column) for column in zip(*window.answers, strict=True))
            predicted = [codes[code] for code in CLASSES]
            confidence = [bins[number] for number in range(BINS)]
            index.add_metric(["class"], stability_index(list(window.reference.predicted.values()), predicted))
            index.add_metric(["confidence"], stability_index(window.reference.confidence, confidence))
        yield index
        answers = len(window.answers) if window else 0
        yield GaugeMetricFamily("lunar_drift_answers", "Answers that the drift index rests on", value=answers)


class _Window:
    def __init__(self, version: ModelVersion, reference: DriftReference | None) -> None:
        self.version, self.reference = version, reference
        self.answers: deque[tuple[str, int]] = deque(maxlen=WINDOW)


def stability_index(expected: Sequence[int], observed: Sequence[int]) -> float:
    """Sum of (p - q) ln(p / q) over the bins, where q and p are shares of the counts `expected` and `observed`.

    The population stability index (Siddiqi, Credit Risk Scorecards, 2006), which is Jeffreys' divergence (1946). Half
    an answer is added to every count (Jeffreys' prior), so that an empty bin of a rare class does not make the index
    infinite.
    """
    shares = zip(_shares(expected), _shares(observed), strict=True)
    return math.fsum((p - q) * math.log(p / q) for q, p in shares)


def _shares(counts: Sequence[int]) -> list[float]:
    return [(count + 0.5) / (sum(counts) + 0.5 * len(counts)) for count in counts]
