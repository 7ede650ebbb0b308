"""Geometry of the model page's charts: evaluation curves -> positions in SVG units."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from inference.bundle.evaluation_curves import Reliability, Roc
from inference.domain.taxonomy import CLASSES

ROC_SIDE = 120  # small, so that a panel's labels stay readable on a phone
RELIABILITY_SIDE = 320
COUNTS_HEIGHT = 70
SPECIFICITIES = (0.80, 0.90, 0.95)
SHADES = (0.0, 0.05, 0.15, 0.30, 0.55)  # limits of the shades of the confusion matrix
_TOLERANCE = 1e-9  # in floating point, 1 - 0.9 is not 0.1

Rates = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a chart."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Panel:
    """One ROC curve in a square of ROC_SIDE: the curve, the area under it, and named points.

    `sensitivities` are those of the curve at SPECIFICITIES.
    """

    curve: str
    area: str
    marks: Mapping[str, Point]
    sensitivities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """Images of similar confidence: the bin's edges, the height of its bar, and its point if it has images."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None
    bar: float
    point: Point | None


@dataclass(frozen=True, slots=True)
class Diagram:
    """A reliability diagram in a square of RELIABILITY_SIDE, above bars of at most COUNTS_HEIGHT."""

    line: str
    bins: tuple[Bin, ...]
    error: float


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """The number of images, their share of the row, and the shade."""

    count: int
    share: float
    shade: int


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """The images of one true class, by predicted class."""

    code: str
    total: int
    cells: tuple[MatrixCell, ...]


def roc_panel(roc: Roc, marks: Mapping[str, Rates]) -> Panel:
    """`marks` are false and true positive rates."""
    rates = zip(roc.false_positive_rate, roc.true_positive_rate, strict=True)
    curve = _line(_place(*rate, side=ROC_SIDE) for rate in rates)
    return Panel(
        curve=curve,
        area=f"{curve}V{ROC_SIDE}Z",
        marks={name: _place(*rate, side=ROC_SIDE) for name, rate in marks.items()},
        sensitivities=tuple(_sensitivity(roc, specificity) for specificity in SPECIFICITIES),
    )


def _sensitivity(roc: Roc, specificity: float) -> float:
    """The highest sensitivity at this specificity or a higher one, among the curve's points."""
    return roc.true_positive_rate[bisect_right(roc.false_positive_rate, 1 - specificity + _TOLERANCE) - 1]


def rates_of_answers(confusion: Sequence[Sequence[int]]) -> dict[str, Rates]:
    """False and true positive rate of each class, if the most probable class is the answer; rows are true classes."""
    rates = {}
    for number, code in enumerate(CLASSES):
        hits, true = confusion[number][number], sum(confusion[number])
        others = sum(map(sum, confusion)) - true
        if true and others:
            rates[code] = ((sum(row[number] for row in confusion) - hits) / others, hits / true)
    return rates


def diagram(reliability: Reliability) -> Diagram:
    """The error is the expected calibration error: the mean distance from the diagonal, weighted by the counts."""
    size, largest, total = len(reliability.count), max(reliability.count), sum(reliability.count)
    bins = []
    for number, (count, confidence, accuracy) in enumerate(
        zip(reliability.count, reliability.confidence, reliability.accuracy, strict=True)
    ):
        has_images = confidence is not None and accuracy is not None
        point = _place(confidence or 0, accuracy or 0, side=RELIABILITY_SIDE) if has_images else None
        bar = round(COUNTS_HEIGHT * count / largest, 1) if largest else 0.0
        bins.append(Bin(number / size, (number + 1) / size, count, confidence, accuracy, bar, point))
    gaps = (bin_.count * abs((bin_.accuracy or 0) - (bin_.confidence or 0)) for bin_ in bins)
    return Diagram(_line(bin_.point for bin_ in bins if bin_.point), tuple(bins), sum(gaps) / max(total, 1))


def matrix(confusion: Sequence[Sequence[int]]) -> tuple[MatrixRow, ...]:
    """The rows of a confusion matrix, true classes, with each cell's share of its row."""
    rows = []
    for code, counts in zip(CLASSES, confusion, strict=True):
        total = sum(counts)
        shares = [count / total if total else 0.0 for count in counts]
        cells = zip(counts, shares, strict=True)
        rows.append(MatrixRow(code, total, tuple(MatrixCell(count, share, shade(share)) for count, share in cells)))
    return tuple(rows)


def shade(share: float) -> int:
    """0 for nothing up to len(SHADES) for most of a row."""
    return sum(share > limit for limit in SHADES)


def _place(x: float, y: float, *, side: int) -> Point:
    return Point(round(x * side, 2), round((1 - y) * side, 2))


def _line(points: Iterable[Point]) -> str:
    steps = " ".join(f"{point.x:g},{point.y:g}" for point in points)
    return f"M{steps}" if steps else ""
