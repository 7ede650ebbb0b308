"""Figures of a run. Each function returns a new figure and changes no global state of matplotlib.

The argument `data` names the images and the model in the title. Colours are from the palette of Okabe and Ito, which
can be distinguished with the common forms of colour blindness; line styles distinguish the lines without colour.
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
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from inference.bundle.evaluation_curves import Reliability
from inference.domain.taxonomy import CLASSES
from training.evaluation import curves
from training.evaluation.metrics import (
    BINS,
    Labels,
    Probabilities,
    confusion_counts,
    expected_calibration_error,
    roc_auc,
)

History = Mapping[str, Sequence[float]]

_TEXT, _GREY, _GRID = "#1b1f24", "#57606a", "#e3e6ea"
_BLUE, _ORANGE = "#0072b2", "#d55e00"
_LINES = {
    "akiec": ("#e69f00", (0, (5, 2))),
    "bcc": ("#009e73", "solid"),
    "bkl": ("#56b4e9", (0, (5, 2))),
    "df": ("#a07800", (0, (1, 1))),
    "mel": (_ORANGE, "solid"),
    "nv": (_BLUE, "solid"),
    "vasc": ("#cc79a7", (0, (5, 2, 1, 2))),
}


def save(figure: Figure, path: Path) -> None:
    """Write SVG or PNG, by the suffix. The same figure always gives the same SVG file."""
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    with matplotlib.rc_context({"svg.hashsalt": "lunar"}):
        figure.savefig(path, dpi=150, metadata=metadata)


def training_curves(stages: Mapping[str, History], *, data: str) -> Figure:
    """Loss, accuracy and learning rate over the epochs of all stages.

    `stages`: {stage: {"loss", "val_loss", "accuracy", "val_accuracy", "learning_rate"}}. The stages follow each other
    on one axis; a vertical line with the stage's name marks the start of each later one, and a star the epoch whose
    weights each stage keeps. A cross-validation has no validation loss: only the training curves are drawn.
    """
    figure = _figure(13.5, 4.2, title=f"Training and validation: {data}")
    panels: Sequence[Axes] = figure.subplots(1, 3)
    stages = {name: history for name, history in stages.items() if history.get("loss")}
    for axes, name in zip(panels, ("loss", "accuracy", "learning_rate"), strict=True):
        for key, words, colour, style in (
            (name, "training", _BLUE, "solid"),
            (f"val_{name}", "validation", _ORANGE, (0, (5, 2))),
        ):
            values = [value for each in stages.values() for value in each.get(key) or [np.nan] * len(each["loss"])]
            if np.isnan(values).all():
                continue
            marker = "o" if len(values) <= 20 else ""  # one epoch alone would give no visible line
            epochs = np.arange(1, len(values) + 1)
            axes.plot(epochs, values, color=colour, linestyle=style, marker=marker, markersize=4, label=words)
        _mark_stages(axes, stages)
        axes.set(xlabel="epoch", ylabel=name.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(y=0.12)
        _style(axes)
    panels[2].set_yscale("log")
    _mark_best(panels[0], stages)
    panels[0].legend(frameon=False, loc="best")
    return figure


def _mark_best(axes: Axes, stages: Mapping[str, History]) -> None:
    """A star on the lowest validation loss of each stage."""
    end, label = 0, "kept"
    for history in stages.values():
        losses = history.get("val_loss", ())
        if losses:
            best = int(np.argmin(losses))
            axes.scatter([end + best + 1], [losses[best]], marker="*", s=90, color=_ORANGE, zorder=3, label=label)
            label = ""
        end += len(history["loss"])


def _mark_stages(axes: Axes, stages: Mapping[str, History]) -> None:
    end = 0
    for name, history in stages.items():
        if end:
            axes.axvline(end + 0.5, color=_GREY, linewidth=0.9)
        words = f" {name}" if end else name
        above = axes.get_xaxis_transform()
        axes.text(end + 0.5, 1.01, words, transform=above, fontsize=8.5, color=_GREY, va="bottom")
        end += len(history["loss"])
    axes.set_xlim(0.5, end + 0.5)


def roc_curves(labels: Labels, probabilities: Probabilities, *, data: str) -> Figure:
    """Sensitivity over 1 - specificity, one curve for each class against all others, with the area under it."""
    figure = _figure(7.6, 5, title=f"ROC of each class against the others: {data}")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.9, linestyle=(0, (1, 2)), label="chance")
    for number, code in _present(labels):
        positive, score = labels == number, probabilities[:, number]
        false_alarms, sensitivity, _ = roc_curve(positive, score)
        words = f"{code}  {roc_auc(positive, score):.3f}  (n = {positive.sum()})"
        axes.plot(false_alarms, sensitivity, label=words, **_line(code))
    axes.set(xlabel="1 − specificity", ylabel="sensitivity")
    return _squared(figure, axes, legend="area under the curve")


def precision_recall_curves(labels: Labels, probabilities: Probabilities, *, data: str) -> Figure:
    """Precision over recall, one curve for each class against all others, with its average precision.

    Dots are the predictions of the most probable class. They use no threshold on one probability and may therefore lie
    off the curve.
    """
    figure = _figure(7.6, 5, title=f"Precision and recall of each class: {data}")
    axes = figure.subplots()
    for number, code in _present(labels):
        positive, score = labels == number, probabilities[:, number]
        precision, recall, _ = precision_recall_curve(positive, score)
        words = f"{code}  {average_precision_score(positive, score):.3f}  (n = {positive.sum()})"
        axes.plot(recall, precision, drawstyle="steps-post", label=words, **_line(code))
        chosen = probabilities.argmax(axis=1) == number
        if chosen.any():
            hits = (chosen & positive).sum()
            axes.plot(hits / positive.sum(), hits / chosen.sum(), "o", color=_LINES[code][0], markersize=6)
    axes.plot([], [], "o", color=_GREY, markersize=6, label="most probable class")
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
        colour = "white" if dark else (_GREY if text in ("0", "0%") else _TEXT)
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
    ticks = range(len(CLASSES))
    axes.set_xticks(ticks, CLASSES)
    axes.set_yticks(ticks, CLASSES)
    axes.set_title(title, fontsize=10, loc="left", color=_GREY)
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def reliability(labels: Labels, probabilities: Probabilities, *, uncalibrated: Probabilities, data: str) -> Figure:
    """Accuracy over confidence in BINS bins, before and after temperature scaling, and the number of images per bin."""
    figure = _figure(6.4, 6.6, title=f"Reliability: {data}")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.plot([0, 1], [0, 1], color=_GREY, linewidth=0.9, linestyle=(0, (1, 2)), label="perfect calibration")
    looks = (
        (uncalibrated, "before scaling", {"color": _ORANGE, "marker": "s", "linestyle": (0, (5, 2)), "mfc": "white"}),
        (probabilities, "after scaling", {"color": _BLUE, "marker": "o"}),
    )
    for scores, words, look in looks:
        error = expected_calibration_error(labels, scores)
        binned = curves.reliability(labels, scores)
        points = np.array([binned.confidence, binned.accuracy], float)[:, np.array(binned.count) > 0]
        top.plot(*points, markersize=5, label=f"{words}: calibration error {error:.3f}", **look)
    binned = curves.reliability(labels, probabilities)
    counts = binned.count
    top.vlines(*_accuracy_intervals(binned), color=_BLUE, linewidth=1, alpha=0.6, label="95 % interval (Wilson)")
    bars = bottom.bar((np.arange(BINS) + 0.5) / BINS, counts, width=0.9 / BINS, color=_BLUE)
    bottom.bar_label(bars, [str(n) if n else "" for n in counts], fontsize=7.5, color=_GREY, padding=2)
    bottom.margins(y=0.2)
    top.set(ylabel="accuracy", ylim=(-0.02, 1.02))
    bottom.set(
        xlabel="confidence (probability of the most probable class)", ylabel="images (after scaling)", xlim=(0, 1)
    )
    for axes in (top, bottom):
        _style(axes)
    top.legend(frameon=False, loc="lower right")
    return figure


def _accuracy_intervals(binned: Reliability) -> NDArray[np.float64]:
    """Confidence, lowest and highest accuracy of each bin that has images: [3, k]. Few images give a wide interval."""
    rows = [
        (confidence, *binomtest(round(accuracy * count), count).proportion_ci(method="wilson"))
        for confidence, accuracy, count in zip(binned.confidence, binned.accuracy, binned.count, strict=True)
        if count and confidence is not None and accuracy is not None
    ]
    return np.array(rows).T


def _figure(width: float, height: float, *, title: str) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=_TEXT)
    return figure


def _style(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GREY)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_GREY)


def _squared(figure: Figure, axes: Axes, *, legend: str) -> Figure:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    _style(axes)
    axes.legend(title=legend, frameon=False, loc="center left", bbox_to_anchor=(1.02, 0.5), alignment="left")
    return figure


def _present(labels: Labels) -> list[tuple[int, str]]:
    """(index, code) of the classes that have images, unless all images are of one class."""
    return [(i, code) for i, code in enumerate(CLASSES) if 0 < (labels == i).sum() < len(labels)]


def _line(code: str) -> dict[str, Any]:
    colour, style = _LINES[code]
    return {
        "color": colour,
        "linestyle": style,
        "linewidth": 2.4 if code == "mel" else 1.5,
        "zorder": 3 if code == "mel" else 2,
    }
