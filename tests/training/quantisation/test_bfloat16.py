"""bf16, allowed by its gate: really measured where the processor has bf16, refused elsewhere."""

import json
from pathlib import Path

import pytest

from inference.bundle.storage import Bundle, open_bundle
from inference.runtimes import RuntimeUnavailable, cpu_features, open_runtime
from tests.support.configs import config_of
from tests.support.graph_comparisons import GOOD, compared
from training.__main__ import main
from training.quantisation import bfloat16, gate
from training.quantisation.gate import BelowGate, find_faults

pytestmark = pytest.mark.numeric


@pytest.fixture
def bf16(folder: Path) -> Path:
    """The bundle's folder, on a processor on which OpenVINO computes in bf16."""
    if not cpu_features.multiplies_bfloat16():
        pytest.skip("this processor has no bf16 instructions")
    try:
        bfloat16.allow_bfloat16(folder, data=folder, ungated=True)
    except RuntimeUnavailable as error:
        pytest.skip(f"OpenVINO's instruction sets are capped: {error}")
    return folder


def in_bfloat16(*, correlation: float = 0.99, **changes: float) -> object:
    good = compared()
    maps = good.heat_maps.model_copy(update={"rank_correlation_of_95_percent": correlation})
    graphs = {"openvino-fp32": GOOD, "openvino-bf16": GOOD.model_copy(update=changes)}
    return good.model_copy(update={"graphs": graphs, "heat_maps": maps})


@pytest.mark.parametrize(("changes", "fault"), [
    ({}, None),
    ({"melanoma_recall": 0.709}, "melanoma recall goes from 0.7200 to 0.7090"),
    ({"correlation": 0.949}, "95 % of the heat maps reach a rank correlation of 0.949 (at least 0.95)"),
    ({"correlation": float("nan")}, "95 % of the heat maps reach a rank correlation of nan"),
])  # fmt: skip
def test_the_gate(changes: dict[str, float], fault: str | None) -> None:
    faults = find_faults(in_bfloat16(**changes), missed=0.0)
    assert [each.startswith(fault or "") for each in faults] == [True] * (fault is not None)


def test_it_passes_its_gate_and_says_what_it_is_worth(
    bf16: Path, made: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gate, "LEAST_CORRELATION", 0.5)  # maps of 2 x 2 cells: two that change places make 0.8
    assert main(["quantise", str(bf16), "--precision", "bf16"]) == 0
    assert "It passed its gate." in capsys.readouterr().out
    bundle = open_bundle(bf16)
    found = bundle.manifest.bfloat16
    assert found and found.comparison
    assert (found.gated, found.comparison.images) == (True, made.manifest.data.images["validation"])
    assert list(found.comparison.graphs) == ["openvino-fp32", "openvino-bf16"]
    assert 0.01 <= found.tolerance < 0.5
    assert bundle.manifest.graphs == made.manifest.graphs
    assert "## In bfloat16" in (bf16 / "MODEL_CARD.md").read_text()
    assert open_runtime(bundle).precision == "bf16"


def test_below_the_gate_the_bundle_stays(bf16: Path, separable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_bundle(bf16)
    assert before.manifest.bfloat16 and not before.manifest.bfloat16.gated
    monkeypatch.setattr(bfloat16, "compare_runtimes", lambda *_: in_bfloat16(balanced_accuracy=0.5))
    with pytest.raises(BelowGate, match=r"is unchanged. balanced accuracy goes from 0.7500 to 0.5000"):
        bfloat16.allow_bfloat16(bf16, data=separable)
    assert open_bundle(bf16).manifest == before.manifest
    asked = config_of(size=64, graphs=("openvino-fp32", "openvino-bf16"))
    assert bfloat16.allow_if_asked(before, asked, data=separable) is before
    assert bfloat16.allow_if_asked(before, config_of(size=64), data=separable) is before


def test_the_manifest_has_no_key_for_what_was_not_measured(made: Bundle, bf16: Path) -> None:
    """So the digests of earlier bundles stay what they are."""
    assert "bfloat16" in json.loads((bf16 / "manifest.json").read_text())
    assert "bfloat16" not in json.loads((made.path / "manifest.json").read_text())
