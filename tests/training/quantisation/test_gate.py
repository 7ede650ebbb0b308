"""The gate that an int8 graph must pass, and what happens to the bundle if it does not."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.bundle.storage import Bundle, open_bundle
from inference.runtimes import GoldenMismatch, Runtime
from tests.support.configs import config_of
from tests.support.graph_comparisons import GOOD, compared, fake_ways
from training.__main__ import main
from training.quantisation import quantise
from training.quantisation.calibration_set import CalibrationData, collect_calibration_data
from training.quantisation.gate import compare_maps, find_faults

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize(("changes", "fault"), [
    ({}, None),
    ({"balanced_accuracy": 0.745, "melanoma_recall": 0.71, "calibration_error": 0.025}, None),
    ({"balanced_accuracy": 0.80, "melanoma_recall": 0.80, "calibration_error": 0.0, "macro_auc": 0.5}, None),
    ({"balanced_accuracy": 0.7449}, "balanced accuracy goes from 0.7500 to 0.7449"),
    ({"melanoma_recall": 0.709}, "melanoma recall goes from 0.7200 to 0.7090"),
    ({"calibration_error": 0.0252}, "calibration error goes from 0.0200 to 0.0252"),
    ({"melanoma_recall": float("nan")}, "melanoma recall goes from 0.7200 to nan"),
])  # fmt: skip
def test_the_gate(changes: dict[str, float], fault: str | None) -> None:
    comparison = compared().model_copy(
        update={"graphs": {"openvino-fp32": GOOD, "openvino-int8": GOOD.model_copy(update=changes)}}
    )
    faults = find_faults(comparison, missed=0.0)
    assert len(faults) == (fault is not None)
    assert fault is None or faults[0].startswith(fault)


def test_a_graph_far_from_the_golden_cases_does_not_pass() -> None:
    assert find_faults(compared(), missed=0.25) == ()
    assert "golden cases are missed by 0.26" in find_faults(compared(), missed=0.26)[0]


def test_what_fails_plainly_is_quantised_more_carefully(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = iter([compared(balanced_accuracy=0.5), compared()])
    monkeypatch.setattr(quantise, "_ways", fake_ways(open_bundle(folder), "plainly", "carefully"))
    monkeypatch.setattr(quantise, "_compare", lambda *_: next(results))
    assert main(["quantise", str(folder)]) == 0
    found = open_bundle(folder).manifest.quantisation
    assert (found.method, found.gated, found.comparison) == ("carefully", True, compared())


def test_what_cannot_even_be_verified_fails_plainly_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, original = open_bundle(folder), quantise.open_runtime
    outcomes = iter([GoldenMismatch("openvino misses the golden cases by nan")])

    def broken_once(*given: object, **named: object) -> Runtime:
        if error := next(outcomes, None):
            raise error
        return original(*given, **named)

    monkeypatch.setattr(quantise, "_ways", fake_ways(bundle, "plainly", "carefully"))
    monkeypatch.setattr(quantise, "_compare", lambda *_: compared())
    monkeypatch.setattr(quantise, "open_runtime", broken_once)
    assert main(["quantise", str(folder)]) == 0
    assert open_bundle(folder).manifest.quantisation.method == "carefully"


def test_what_fails_twice_leaves_the_bundle_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = open_bundle(folder).manifest
    results = iter([compared(balanced_accuracy=0.5), compared(melanoma_recall=0.6, calibration_error=0.1)])
    monkeypatch.setattr(quantise, "_ways", fake_ways(open_bundle(folder), "plainly", "carefully"))
    monkeypatch.setattr(quantise, "_compare", lambda *_: next(results))
    assert main(["quantise", str(folder)]) == 1
    words = capsys.readouterr().err
    for each in ("plainly: balanced accuracy", "carefully: melanoma recall", "calibration error goes", "is unchanged"):
        assert each in words
    assert open_bundle(folder).manifest == before
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_what_was_calibrated_on_black_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the real NNCF and really measured: ranges of a black image cut off what a photo needs, both times."""
    before = open_bundle(folder).manifest

    def blacken(*given: object, **named: object) -> CalibrationData:
        load = collect_calibration_data(*given, **named)
        return replace(load, images=np.zeros_like(load.images[:2]))

    monkeypatch.setattr(quantise, "collect_calibration_data", blacken)
    assert main(["quantise", str(folder)]) == 1
    refusal = capsys.readouterr().err
    assert "balanced accuracy goes from 1.0000 to 0." in refusal
    assert "depthwise convolutions in fp32: balanced accuracy goes from 1.0000 to 0." in refusal
    assert open_bundle(folder).manifest == before


def test_a_run_goes_on_without_int8(folder: Path, separable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = open_bundle(folder)
    monkeypatch.setattr(quantise, "_ways", fake_ways(bundle, "plainly"))
    monkeypatch.setattr(quantise, "_compare", lambda *_: compared(balanced_accuracy=0.5))
    asked = config_of(size=64, graphs=("openvino-fp32", "openvino-int8"))
    assert quantise.quantise_if_asked(bundle, asked, data=separable) is bundle
    monkeypatch.setattr(quantise, "_compare", lambda *_: compared())
    assert quantise.quantise_if_asked(bundle, config_of(size=64), data=separable) is bundle
    assert "openvino-int8" in quantise.quantise_if_asked(bundle, asked, data=separable).manifest.graphs


def test_refit_says_when_int8_does_not_pass_any_more(
    quantised: Bundle,
    separable: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(shutil.copytree(quantised.path, tmp_path / "bundle"))
    monkeypatch.setenv("LUNAR_DATA", str(separable))
    monkeypatch.setattr(quantise, "_ways", fake_ways(quantised, "plainly"))
    monkeypatch.setattr(quantise, "_compare", lambda *_: compared(balanced_accuracy=0.5))
    assert main(["refit", str(folder)]) == 0
    assert "no int8 graph any more. The int8 graph does not pass the gate" in capsys.readouterr().out
    assert set(open_bundle(folder).manifest.graphs) == {"openvino-fp32"}


def test_maps_are_compared_by_rank_and_peak() -> None:
    one = np.arange(9, dtype=np.float32).reshape(3, 3)
    flat = np.zeros((3, 3), np.float32)
    same = compare_maps([one, one, flat], [one, 2 * one, one])
    assert (same.images, same.rank_correlation, same.peak_moved) == (2, pytest.approx(1), 0)
    lost = compare_maps([one, one], [one, flat])
    assert (lost.images, lost.rank_correlation, lost.peak_moved) == (2, pytest.approx(0.5), 0.5)
    turned = compare_maps([one], [one[::-1, ::-1]])
    assert (turned.rank_correlation, turned.peak_moved) == (pytest.approx(-1), 1)
