"""The geometry of the model page's charts, against cases counted by hand."""

import numpy as np
import pytest

from inference.bundle.evaluation_curves import Roc
from inference.bundle.storage import Bundle
from service.page import charts
from tests.support.paths import ROOT


def test_a_curve_is_drawn_where_it_is() -> None:
    roc = Roc(false_positive_rate=(0, 0.1, 1), true_positive_rate=(0, 0.75, 1))
    panel = charts.roc_panel(roc, {"answer": (0.5, 0.25)})
    assert panel.curve == "M0,120 12,30 120,0"
    assert panel.area == "M0,120 12,30 120,0V120Z"
    assert panel.marks == {"answer": charts.Point(60, 90)}
    assert panel.sensitivities == (0.75, 0.75, 0)  # at a specificity of 0.95 the curve has only its origin


def test_answers_are_counted() -> None:
    confusion = np.zeros((7, 7), int)
    confusion[4, 4], confusion[4, 5], confusion[5, 4], confusion[5, 5] = 3, 1, 2, 8
    found = charts.rates_of_answers(confusion.tolist())
    assert found == {"mel": (0.2, 0.75), "nv": (0.25, 0.8)}


def test_the_diagram_has_the_error_of_the_manifest(starter: Bundle) -> None:
    found = charts.diagram(starter.curves.calibrated)
    assert found.error == pytest.approx(starter.manifest.metrics.overall["calibration_error"].value)
    assert max(each.bar for each in found.bins) == found.bins[13].bar == charts.COUNTS_HEIGHT
    assert found.bins[0].point is None
    assert found.line.startswith("M") and found.line.count(",") == 12


@pytest.mark.parametrize(("share", "step"), [(0, 0), (0.001, 1), (0.05, 1), (0.1, 2), (0.3, 3), (0.5, 4), (1, 5)])
def test_a_larger_share_is_darker(share: float, step: int) -> None:
    assert charts.shade(share) == step
    assert f".shade-{step}" in (ROOT / "static/card.css").read_text()
