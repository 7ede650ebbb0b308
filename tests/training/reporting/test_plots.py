"""Every plot is drawn without a warning and shows the measured values."""

from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import auc, confusion_matrix

from inference.domain.taxonomy import CLASSES
from tests.support.answers import make_answers
from training.data.synthetic_lesions import draw_lesion
from training.evaluation.metrics import expected_calibration_error, roc_auc
from training.reporting import plots
from training.reporting.case_sheet import Photo, photo_sheet

ANSWERS = make_answers()


def history(*loss: float) -> dict[str, list[float]]:
    return {
        "loss": list(loss),
        "val_loss": [value + 0.1 for value in loss],
        "accuracy": [1 - value / 3 for value in loss],
        "val_accuracy": [0.9 - value / 3 for value in loss],
    }


STAGES = {"warm-up": history(2.0, 1.5, 1.2), "fine-tuning": history(1.0, 0.8)}


def line(axes: Axes, start: str) -> tuple[np.ndarray, np.ndarray]:
    (found,) = [each for each in axes.get_lines() if str(each.get_label()).startswith(start)]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def words(figure: Figure) -> str:
    found = [figure.get_suptitle(), *(text.get_text() for text in figure.texts)]
    for axes in figure.axes:
        legend = axes.get_legend()
        found += [text.get_text() for text in (*axes.texts, *(legend.get_texts() if legend else ()))]
    return "\n".join(found)


FIGURES = {
    "training": lambda: plots.training_curves(STAGES, data="run seven"),
    "one-epoch": lambda: plots.training_curves({"warm-up": history(2.0), "fine-tuning": {}}, data="run seven"),
    "roc": lambda: plots.roc_curves(ANSWERS.labels, ANSWERS.probabilities, data="run seven"),
    "precision-recall": lambda: plots.precision_recall_curves(ANSWERS.labels, ANSWERS.probabilities, data="run seven"),
    "confusion": lambda: plots.confusion(ANSWERS.labels, ANSWERS.probabilities, data="run seven"),
    "one-class": lambda: plots.confusion(
        ANSWERS.labels[ANSWERS.labels == 5], ANSWERS.probabilities[ANSWERS.labels == 5], data="run seven"
    ),
    "reliability": lambda: plots.reliability(
        ANSWERS.labels, ANSWERS.probabilities, uncalibrated=ANSWERS.uncalibrated, data="run seven"
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_one_svg_that_says_whose_data_it_shows(name: str, tmp_path: Path) -> None:
    figure = FIGURES[name]()
    plots.save(figure, tmp_path / "figure.svg")
    assert ElementTree.parse(tmp_path / "figure.svg").getroot().tag.endswith("svg")  # noqa: S314
    assert figure.get_suptitle().endswith(": run seven")


def test_the_same_data_give_the_same_file(tmp_path: Path) -> None:
    for name in ("first", "second"):
        plots.save(FIGURES["one-epoch"](), tmp_path / f"{name}.svg")
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


def test_the_stages_follow_each_other_with_a_line_between() -> None:
    figure = FIGURES["training"]()
    loss = figure.axes[0]
    epochs, values = line(loss, "training")
    assert epochs.tolist() == [1, 2, 3, 4, 5]
    assert values.tolist() == [2.0, 1.5, 1.2, 1.0, 0.8]
    assert [each.get_xdata()[0] for each in loss.get_lines() if len(set(each.get_xdata())) == 1] == [3.5]
    assert "fine-tuning" in words(figure)
    assert "fine-tuning" not in words(FIGURES["one-epoch"]())


def test_validation_stands_at_its_epochs_behind_a_stage_without_it() -> None:
    pretrained = {"loss": [3.0, 2.5], "accuracy": [0.1, 0.2]}
    loss = plots.training_curves({"pretrain": pretrained, **STAGES}, data="x").axes[0]
    epochs, values = line(loss, "validation")
    shown = ~np.isnan(values)
    assert epochs[shown].tolist() == [3, 4, 5, 6, 7]
    assert values[shown] == pytest.approx([2.1, 1.6, 1.3, 1.1, 0.9])
    assert line(loss, "training")[0].tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_the_area_under_each_roc_line_is_the_auc_beside_it() -> None:
    axes = FIGURES["roc"]().axes[0]
    for number, code in enumerate(CLASSES):
        expected = roc_auc(ANSWERS.labels == number, ANSWERS.probabilities[:, number])
        assert auc(*line(axes, code)) == pytest.approx(expected)
        assert f"{code}  {expected:.3f}  (n = {(ANSWERS.labels == number).sum()})" in words(axes.get_figure())


def test_a_class_without_images_has_no_curve() -> None:
    rows = ANSWERS.labels != CLASSES.index("df")
    for draw in (plots.roc_curves, plots.precision_recall_curves):
        shown = words(draw(ANSWERS.labels[rows], ANSWERS.probabilities[rows], data="x"))
        assert "mel  " in shown
        assert "df  " not in shown


def test_the_dots_are_precision_and_recall_of_the_answers() -> None:
    axes = FIGURES["precision-recall"]().axes[0]
    dots = [each for each in axes.get_lines() if each.get_marker() == "o" and len(each.get_xdata())]
    mel, said = CLASSES.index("mel"), ANSWERS.probabilities.argmax(axis=1)
    dot = dots[mel]
    assert dot.get_xdata()[0] == pytest.approx((said == mel)[ANSWERS.labels == mel].mean())
    assert dot.get_ydata()[0] == pytest.approx((ANSWERS.labels == mel)[said == mel].mean())


def test_the_confusion_matrix_is_scikit_learns_rows_true() -> None:
    counts, shares = FIGURES["confusion"]().axes
    expected = confusion_matrix(ANSWERS.labels, ANSWERS.probabilities.argmax(axis=1))
    assert [text.get_text() for text in counts.texts] == [str(n) for n in expected.ravel()]
    rows = expected / expected.sum(axis=1, keepdims=True)
    assert [text.get_text() for text in shares.texts] == [f"{share:.0%}" for share in rows.ravel()]
    assert (counts.get_ylabel(), counts.get_xlabel()) == ("true", "predicted")


def test_the_reliability_bars_count_every_image_once() -> None:
    figure = FIGURES["reliability"]()
    top, bottom = figure.axes
    assert sum(int(text.get_text() or 0) for text in bottom.texts) == len(ANSWERS.labels)
    error = expected_calibration_error(ANSWERS.labels, ANSWERS.uncalibrated)
    assert f"before scaling: calibration error {error:.3f}" in words(figure)
    confidence, accuracy = line(top, "after")
    counts = np.array([int(text.get_text()) for text in bottom.texts if text.get_text()])
    assert (accuracy * counts).sum() / len(ANSWERS.labels) == pytest.approx(
        (ANSWERS.probabilities.argmax(axis=1) == ANSWERS.labels).mean()
    )
    assert (confidence * counts).sum() / len(ANSWERS.labels) == pytest.approx(ANSWERS.probabilities.max(axis=1).mean())


def test_the_sheet_shows_right_above_wrong_with_captions(tmp_path: Path) -> None:
    def photos(count: int) -> list[Photo]:
        drawings = [draw_lesion(width=40, height=30, seed=i) for i in range(count)]
        return [Photo(drawing, drawing, f"case {i}") for i, drawing in enumerate(drawings)]

    figure = photo_sheet(photos(3), photos(2), data="run seven", columns=2)
    plots.save(figure, tmp_path / "sheet.png")
    assert cv2.imread(str(tmp_path / "sheet.png")).std() > 10
    heights = [axes.get_position().y0 for axes in figure.axes]
    assert heights[0] == heights[1] > heights[2] > heights[3] == heights[4] > 0
    shown = words(figure)
    assert shown.index("Right") < shown.index("Wrong") < shown.index("case 0")
    assert "Wrong" not in words(photo_sheet(photos(1), [], data="run seven"))
