"""Have the answers become others than those on the test part? The population stability index over the last answers."""

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from inference.classifier import Prediction
from inference.reference import BINS, Reference, confidence_bin
from inference.registry import Version
from inference.taxonomy import CLASSES

WINDOW = 500
FEWEST = 100  # with fewer, chance alone takes the index beyond 0.25 too often; see docs/operations.md


class Drift(Collector):
    """Compares the last WINDOW answers of the version in service with its reference; another version begins anew.

    Without a reference, or with fewer than FEWEST answers, there is no index.
    """

    def __init__(self) -> None:
        self._window: _Window | None = None

    def follow(self, version: Version, reference: Reference | None) -> None:
        """From now on this version serves."""
        self._window = _Window(version, reference)

    def note(self, version: Version, prediction: Prediction) -> None:
        """An answer; one of a version that serves no more, given while the next was swapped in, does not count."""
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
            codes, bins = (Counter(each) for each in zip(*window.answers, strict=True))
            predicted = [codes[code] for code in CLASSES]
            confidence = [bins[number] for number in range(BINS)]
            index.add_metric(["class"], stability_index(list(window.reference.predicted.values()), predicted))
            index.add_metric(["confidence"], stability_index(window.reference.confidence, confidence))
        yield index
        answers = len(window.answers) if window else 0
        yield GaugeMetricFamily("lunar_drift_answers", "Answers that the drift index rests on", value=answers)


class _Window:
    def __init__(self, version: Version, reference: Reference | None) -> None:
        self.version, self.reference = version, reference
        self.answers: deque[tuple[str, int]] = deque(maxlen=WINDOW)


def stability_index(expected: Sequence[int], found: Sequence[int]) -> float:
    """Sum of (p - q) ln(p / q) over the bins, where q and p are shares of the counts `expected` and `found`.

    The population stability index (Siddiqi, Credit Risk Scorecards, 2006), which is Jeffreys' divergence (1946). Half
    an answer is added to every count (Jeffreys' prior), so that an empty bin, which is usual for a rare class, does not
    make it infinite.
    """
    shares = zip(_shares(expected), _shares(found), strict=True)
    return math.fsum((p - q) * math.log(p / q) for q, p in shares)


def _shares(counts: Sequence[int]) -> list[float]:
    return [(count + 0.5) / (sum(counts) + 0.5 * len(counts)) for count in counts]
