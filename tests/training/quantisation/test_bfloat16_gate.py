"""What allows bf16 and what does not, with a fake runtime: on every processor, those without bf16 included."""

import shutil
from pathlib import Path

import pytest

from inference.bundle.storage import Bundle, open_bundle
from inference.runtimes import Outputs, RuntimeUnavailable, verify_golden_cases
from tests.support.configs import config_of
from tests.support.fakes import FakeRuntime, write_fake_bundle
from tests.support.graph_comparisons import GOOD, compared
from training.quantisation import bfloat16
from training.quantisation.gate import BelowGate
from training.quantisation.requantise import requantise

BOTH = ("openvino-fp32", "openvino-bf16")


class RoundedRuntime(FakeRuntime):
    """Computes bf16 with other logits than fp32: `factor` times these."""

    factor = 1.01

    def __init__(self, bundle: Bundle, precision: str) -> None:
        super().__init__(bundle)
        self.precision = precision

    def run(self, batch: object) -> Outputs:
        outputs = super().run(batch)
        return outputs if self.precision == "fp32" else Outputs(outputs.logits * self.factor, outputs.features)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle, whose runtime is the fake, and whose images are measured by `measure`."""

    def open_fake(bundle: Bundle, *, name: str, precision: str) -> RoundedRuntime:
        runtime = RoundedRuntime(bundle, precision)
        verify_golden_cases(runtime, bundle)
        return runtime

    monkeypatch.setattr(bfloat16, "open_runtime", open_fake)
    monkeypatch.setattr(bfloat16, "collect_evaluation_set", lambda *_: "the images")
    measure(monkeypatch, balanced_accuracy=0.75)
    return write_fake_bundle(tmp_path / "bundle")


def measure(monkeypatch: pytest.MonkeyPatch, *, balanced_accuracy: float) -> None:
    worse = GOOD.model_copy(update={"balanced_accuracy": balanced_accuracy})
    found = compared().model_copy(update={"graphs": dict(zip(BOTH, (GOOD, worse), strict=True))})
    monkeypatch.setattr(bfloat16, "compare_runtimes", lambda *_: found)


def test_what_passes_is_allowed(bundle: Bundle, tmp_path: Path) -> None:
    allowed = bfloat16.allow_if_asked(bundle, config_of(graphs=BOTH), data=tmp_path)
    measured = open_bundle(bundle.path).manifest.bfloat16
    assert measured == allowed.manifest.bfloat16
    assert measured and measured.gated and measured.comparison
    assert 0 < measured.tolerance < 0.5


def test_nobody_asked(bundle: Bundle, tmp_path: Path) -> None:
    assert bfloat16.allow_if_asked(bundle, config_of(graphs=BOTH[:1]), data=tmp_path) is bundle


def test_below_the_gate_the_bundle_stays(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure(monkeypatch, balanced_accuracy=0.5)
    with pytest.raises(BelowGate, match=r"is unchanged\. balanced accuracy goes from"):
        bfloat16.allow_bfloat16(bundle.path, data=tmp_path)
    assert bfloat16.allow_if_asked(bundle, config_of(graphs=BOTH), data=tmp_path) is bundle
    assert open_bundle(bundle.path).manifest == bundle.manifest


def test_a_refitted_bundle_is_measured_again(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the gate it is the bundle that it was without bf16, and the reason is told."""
    staging = Path(shutil.copytree(bundle.path, tmp_path / "staging"))
    before = bfloat16.allow_bfloat16(bundle.path, data=tmp_path).manifest
    measure(monkeypatch, balanced_accuracy=0.5)
    (lost,) = requantise(staging, before=before, data=tmp_path)
    assert lost.startswith("The bundle is not served in bf16 any more. bf16 does not pass the gate. balanced accuracy")
    assert open_bundle(staging).manifest.replaced() == bundle.manifest.replaced()
    measure(monkeypatch, balanced_accuracy=0.75)
    assert requantise(staging, before=before, data=tmp_path) == ()
    assert open_bundle(staging).manifest == before


@pytest.mark.parametrize(("factor", "ungated", "words"), [
    (-100, False, "the golden cases are missed by .* in probability"),
    (float("nan"), False, "fake misses the golden cases by nan"),
    (float("nan"), True, "fake misses the golden cases by nan"),
])  # fmt: skip
def test_far_from_the_golden_cases_the_bundle_stays(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float, ungated: bool, words: str
) -> None:
    monkeypatch.setattr(RoundedRuntime, "factor", factor)
    with pytest.raises(BelowGate, match=rf"is unchanged\. {words}"):
        bfloat16.allow_bfloat16(bundle.path, data=tmp_path, ungated=ungated)
    assert bfloat16.allow_if_asked(bundle, config_of(graphs=BOTH), data=tmp_path) is bundle
    assert open_bundle(bundle.path).manifest == bundle.manifest


def test_without_bf16_in_the_processor_the_bundle_stays(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeUnavailable("This processor has no bf16.")

    monkeypatch.setattr(bfloat16, "open_runtime", refuse)
    assert bfloat16.allow_if_asked(bundle, config_of(graphs=BOTH), data=tmp_path) is bundle
    assert open_bundle(bundle.path).manifest == bundle.manifest
