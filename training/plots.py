"""Data -> figures. Each function is pure and touches no global state of matplotlib; `data` says whose data it is.

Colours: Okabe and Ito's palette, told apart with every common colour blindness; line styles tell them apart without.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from inference.taxonomy import CLASSES
from training import curves
from training.metrics import (
    BINS,
    Labels,
    Probabilities,
    confusion_counts,
    expected_calibration_error,
    roc_auc,
)

History = Mapping[str, Sequence[float]]

_INK, _SOFT, _FAINT = "#1b1f24", "#57606a", "#e3e6ea"
_BLUE, _ORANGE = "#0072b2", "#d55e00"
_LOOKS = {
    "akiec": ("#e69f00", (0, (5, 2))),
    "bcc": ("#009e73", "solid"),
    "bkl": ("#56b4e9", (0, (5, 2))),
    "df": ("#a07800", (0, (1, 1))),
    "mel": (_ORANGE, "solid"),
    "nv": (_BLUE, "solid"),
    "vasc": ("#cc79a7", (0, (5, 2, 1, 2))),
}


def save(figure: Figure, path: Path) -> None:
    """Write SVG or PNG, by suffix; the same figure gives the same SVG on every run."""
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    with matplotlib.rc_context({"svg.hashsalt": "lunar"}):
        figure.savefig(path, dpi=150, metadata=metadata)


def training_curves(stages: Mapping[str, History], *, data: str) -> Figure:
    """Loss and accuracy over the epochs of all stages, {stage: {"loss", "val_loss", "accuracy", "val_accuracy"}}.

    The stages follow each other on one axis; a line with the stage's name stands where each later one begins. Without
    validation in a cross-validation, only the training lines are drawn.
    """
    figure = _figure(9.5, 4.2, title=f"Training and validation: {data}")
    panels: Sequence[Axes] = figure.subplots(1, 2)
    stages = {name: history for name, history in stages.items() if history.get("loss")}
    for axes, name in zip(panels, ("loss", "accuracy"), strict=True):
        for key, words, colour, style in (
            (name, "training", _BLUE, "solid"),
            (f"val_{name}", "validation", _ORANGE, (0, (5, 2))),
        ):
            values = [value for history in stages.values() for value in history.get(key, ())]
            if not values:
                continue
            marker = "o" if len(values) <= 20 else ""  # a stage of one epoch has no line
            epochs = np.arange(1, len(values) + 1)
            axes.plot(epochs, values, color=colour, linestyle=style, marker=marker, markersize=4, label=words)
        _mark_stages(axes, stages)
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(y=0.12)
        _quiet(axes)
    panels[0].legend(frameon=False, loc="best")
    return figure


def _mark_stages(axes: Axes, stages: Mapping[str, History]) -> None:
    end = 0
    for name, history in stages.items():
        if end:
            axes.axvline(end + 0.5, color=_SOFT, linewidth=0.9)
        words = f" {name}" if end else name
        above = axes.get_xaxis_transform()
        axes.text(end + 0.5, 1.01, words, transform=above, fontsize=8.5, color=_SOFT, va="bottom")
        end += len(history["loss"])
    axes.set_xlim(0.5, end + 0.5)


def roc_curves(labels: Labels, probabilities: Probabilities, *, data: str) -> Figure:
    """Sensitivity over 1 - specificity, one line a class against all others, with its area."""
    figure = _figure(7.6, 5, title=f"ROC of each class against the others: {data}")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.9, linestyle=(0, (1, 2)), label="chance")
    for number, code in _present(labels):
        positive, score = labels == number, probabilities[:, number]
        false_alarms, sensitivity, _ = roc_curve(positive, score)
        words = f"{code}  {roc_auc(positive, score):.3f}  (n = {positive.sum()})"
        axes.plot(false_alarms, sensitivity, label=words, **_look(code))
    axes.set(xlabel="1 − specificity", ylabel="sensitivity")
    return _squared(figure, axes, legend="area under the curve")


def precision_recall_curves(labels: Labels, probabilities: Probabilities, *, data: str) -> Figure:
    """Precision over recall, one line a class, with its average precision.

    Dots are the answers by the most probable class: no threshold on one probability, so they may lie off the line.
    """
    figure = _figure(7.6, 5, title=f"Precision and recall of each class: {data}")
    axes = figure.subplots()
    for number, code in _present(labels):
        positive, score = labels == number, probabilities[:, number]
        precision, recall, _ = precision_recall_curve(positive, score)
        words = f"{code}  {average_precision_score(positive, score):.3f}  (n = {positive.sum()})"
        axes.plot(recall, precision, drawstyle="steps-post", label=words, **_look(code))
        chosen = probabilities.argmax(axis=1) == number
        if chosen.any():
            hits = (chosen & positive).sum()
            axes.plot(hits / positive.sum(), hits / chosen.sum(), "o", color=_LOOKS[code][0], markersize=6)
    axes.plot([], [], "o", color=_SOFT, markersize=6, label="as answered")
    axes.set(xlabel="recall", ylabel="precision")
    return _squared(figure, axes, legend="average precision")


def confusion(labels: Labels, probabilities: Probabilities, *, data: str) -> Figure:
    """Counts, and the share of each true class, side by side; true classes are rows."""
    figure = _figure(10.5, 5, title=f"Confusion matrix: {data}")
    counts = confusion_counts(labels, probabilities)
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left, right = figure.subplots(1, 2)
    _matrix(left, counts / totals, [[str(n) for n in row] for row in counts], title="images")
    _matrix(
        right, counts / totals, [[f"{v:.0%}" for v in row] for row in counts / totals], title="share of each true class"
    )
    return figure


def _matrix(axes: Axes, shares: NDArray[np.float64], words: list[list[str]], *, title: str) -> None:
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*shares.shape):
        dark = shares[row, column] > 0.7
        text = words[row][column]
        colour = "white" if dark else (_SOFT if text in ("0", "0%") else _INK)
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
    ticks = range(len(CLASSES))
    axes.set_xticks(ticks, CLASSES)
    axes.set_yticks(ticks, CLASSES)
    axes.set_title(title, fontsize=10, loc="left", color=_SOFT)
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def reliability(labels: Labels, probabilities: Probabilities, *, uncalibrated: Probabilities, data: str) -> Figure:
    """Accuracy over confidence in BINS bins, before and after temperature scaling; below, how many images a bin has."""
    figure = _figure(6.4, 6.6, title=f"Reliability: {data}")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.9, linestyle=(0, (1, 2)), label="perfect")
    looks = (
        (uncalibrated, "before scaling", {"color": _ORANGE, "marker": "s", "linestyle": (0, (5, 2)), "mfc": "white"}),
        (probabilities, "after scaling", {"color": _BLUE, "marker": "o"}),
    )
    for each, words, look in looks:
        error = expected_calibration_error(labels, each)
        binned = curves.reliability(labels, each)
        points = np.array([binned.confidence, binned.accuracy], float)[:, np.array(binned.count) > 0]
        top.plot(*points, markersize=5, label=f"{words}: calibration error {error:.3f}", **look)
    counts = curves.reliability(labels, probabilities).count
    bars = bottom.bar((np.arange(BINS) + 0.5) / BINS, counts, width=0.9 / BINS, color=_BLUE)
    bottom.bar_label(bars, [str(n) if n else "" for n in counts], fontsize=7.5, color=_SOFT, padding=2)
    bottom.margins(y=0.2)
    top.set(ylabel="accuracy", ylim=(-0.02, 1.02))
    bottom.set(xlabel="confidence (probability of the most probable class)", ylabel="images (after)", xlim=(0, 1))
    for axes in (top, bottom):
        _quiet(axes)
    top.legend(frameon=False, loc="lower right")
    return figure


def _figure(width: float, height: float, *, title: str) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=_INK)
    return figure


def _quiet(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_SOFT)
    axes.grid(color=_FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_SOFT)


def _squared(figure: Figure, axes: Axes, *, legend: str) -> Figure:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    _quiet(axes)
    axes.legend(title=legend, frameon=False, loc="center left", bbox_to_anchor=(1.02, 0.5), alignment="left")
    return figure


def _present(labels: Labels) -> list[tuple[int, str]]:
    """The classes that have images and are not the only one."""
    return [(i, code) for i, code in enumerate(CLASSES) if 0 < (labels == i).sum() < len(labels)]


def _look(code: str) -> dict[str, Any]:
    colour, style = _LOOKS[code]
    return {
        "color": colour,
        "linestyle": style,
        "linewidth": 2.4 if code == "mel" else 1.5,
        "zorder": 3 if code == "mel" else 2,
    }
