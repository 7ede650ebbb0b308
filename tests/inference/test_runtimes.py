"""Which runtime and which precision, and the sentence that says why."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.bundle import Bundle
from inference.runtimes import RUNTIMES, GoldenMismatch, Outputs, RuntimeUnavailable, open_runtime, processor
from tests.fakes import FakeRuntime, write_fake_bundle

FP32 = {"path": "graphs/fake.xml", "precision": "fp32", "tolerance": 1e-4}
NUMBERS = {"balanced_accuracy": 0.71, "melanoma_recall": 0.7, "macro_auc": 0.9, "calibration_error": 0.02}
COMPARISON = {
    "source": "validation images",
    "images": 9,
    "graphs": {"openvino-fp32": NUMBERS, "openvino-int8": NUMBERS | {"balanced_accuracy": 0.68}},
    "same_class": 1.0,
    "heat_maps": {"images": 9, "rank_correlation": 1, "rank_correlation_of_95_percent": 1, "peak_moved": 0},
}
MADE = {"method": "a way", "calibration": "9 images", "gated": True, "comparison": COMPARISON, "bytes": {}}


class EitherRuntime(FakeRuntime):
    """Executes both graphs alike."""

    def __init__(self, bundle: Bundle, precision: str) -> None:
        super().__init__(bundle)
        self.precision = precision
        self.graph = f"openvino-{precision}"


class WrongInt8(EitherRuntime):
    """Its int8 answers are those of other images."""

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        outputs = super().run(batch)
        return outputs if self.precision == "fp32" else type(outputs)(outputs.logits[::-1], outputs.features)


class NoInt8(EitherRuntime):
    """Cannot load an int8 graph, and says where it lies."""

    def __init__(self, bundle: Bundle, precision: str) -> None:
        if precision == "int8":
            raise ValueError("/secret/place is broken")
        super().__init__(bundle, precision)


def bundle_of(folder: Path, **changes: object) -> Bundle:
    """A fake bundle with an int8 graph that passed its gate."""
    graphs = {"openvino-fp32": FP32, "openvino-int8": FP32 | {"precision": "int8", "tolerance": 0.01}}
    return write_fake_bundle(folder, graphs=graphs, quantisation=MADE | changes)


@pytest.fixture
def either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """OpenVINO is a fake, on a processor with VNNI."""
    monkeypatch.setitem(RUNTIMES, "openvino", "tests.inference.test_runtimes:EitherRuntime")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\n")
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")


@pytest.mark.usefixtures("either")
def test_auto_takes_int8_that_passed_its_gate(tmp_path: Path) -> None:
    runtime = open_runtime(bundle_of(tmp_path / "bundle"))
    assert (runtime.graph, runtime.precision) == ("openvino-int8", "int8")
    assert runtime.reason == (
        "openvino is the first choice, and runs here; int8 because the bundle's int8 graph passed its gate and "
        "reproduces the golden cases."
    )


@pytest.mark.usefixtures("either")
def test_what_is_asked_for_is_taken(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "bundle", gated=False, comparison=None)
    for precision in ("fp32", "int8"):
        runtime = open_runtime(bundle, name="openvino", precision=precision)
        assert runtime.precision == precision
        assert runtime.reason == f"openvino was asked for; {precision} was asked for."


@pytest.mark.usefixtures("either")
def test_auto_leaves_int8_that_passed_no_gate(tmp_path: Path) -> None:
    runtime = open_runtime(bundle_of(tmp_path / "bundle", gated=False, comparison=None))
    assert (runtime.precision, "passed no gate" in runtime.reason) == ("fp32", True)


@pytest.mark.usefixtures("either")
def test_auto_takes_fp32_of_a_bundle_without_int8(fake_bundle: Bundle) -> None:
    runtime = open_runtime(fake_bundle)
    assert (runtime.precision, "has no int8 graph" in runtime.reason) == ("fp32", True)


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("flags", ["flags\t\t: fpu avx2 avx512f avx512_bf16\n", "Features\t: asimd\n", None])
def test_auto_leaves_int8_to_processors_that_sum_it_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str | None
) -> None:
    if flags is None:
        monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    else:
        processor.CPUINFO.write_text(flags)
    bundle = bundle_of(tmp_path / "bundle")
    runtime = open_runtime(bundle)
    assert (runtime.precision, "VNNI" in runtime.reason) == ("fp32", True)
    assert open_runtime(bundle, precision="int8").precision == "int8"


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize(("kind", "words", "error"), [
    ("WrongInt8", "misses the golden cases here", GoldenMismatch),
    ("NoInt8", "cannot be loaded here", RuntimeUnavailable),
])  # fmt: skip
def test_auto_goes_back_to_fp32_where_int8_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, words: str, error: type[Exception]
) -> None:
    monkeypatch.setitem(RUNTIMES, "openvino", f"tests.inference.test_runtimes:{kind}")
    bundle = bundle_of(tmp_path / "bundle")
    runtime = open_runtime(bundle)
    assert (runtime.precision, words in runtime.reason) == ("fp32", True)
    assert "/secret" not in runtime.reason
    with pytest.raises(error):
        open_runtime(bundle, name="openvino", precision="int8")


def test_a_bundle_without_int8_has_the_digest_it_always_had(fake_bundle: Bundle, starter: Bundle) -> None:
    """Its manifest, as an earlier Lunar wrote it, has no key `quantisation`, and the digest covers every key."""
    import hashlib
    import json

    for bundle in (fake_bundle, starter):
        content = json.loads((bundle.path / "manifest.json").read_text())
        digest = content.pop("digest")
        assert "quantisation" not in content
        assert hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest() == digest
        assert bundle.manifest.compute_digest() == digest


def test_the_digest_covers_what_is_said_of_int8(tmp_path: Path) -> None:
    one, other = (bundle_of(tmp_path / way, method=way).manifest.digest for way in ("one", "other"))
    assert one != other
