"""Choice of runtime and precision, and the reason that is reported for it."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.bundle.precision_records import Bfloat16
from inference.bundle.storage import Bundle
from inference.runtimes import RUNTIMES, GoldenMismatch, Outputs, RuntimeUnavailable, cpu_features, open_runtime
from tests.support.fakes import FakeRuntime, write_fake_bundle
from tests.support.int8_manifest import BFLOAT16, FP32, QUANTISATION


class EitherRuntime(FakeRuntime):
    """Gives the same outputs for both precisions."""

    def __init__(self, bundle: Bundle, precision: str, reason: str) -> None:
        super().__init__(bundle, reason=reason)
        self.precision = precision
        self.graph = "openvino-fp32" if precision == "bf16" else f"openvino-{precision}"


class WrongInt8(EitherRuntime):
    """Gives the outputs of int8 and bf16 in the wrong order."""

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        outputs = super().run(batch)
        return outputs if self.precision == "fp32" else type(outputs)(outputs.logits[::-1], outputs.features)


class NoInt8(EitherRuntime):
    """Fails to load an int8 graph, with a path in the error."""

    def __init__(self, bundle: Bundle, precision: str, reason: str) -> None:
        if precision == "int8":
            raise ValueError("/secret/place is broken")
        super().__init__(bundle, precision, reason)


def bundle_of(folder: Path, **changes: object) -> Bundle:
    """A fake bundle with an int8 graph that passed its gate."""
    graphs = {"openvino-fp32": FP32, "openvino-int8": FP32 | {"precision": "int8", "tolerance": 0.01}}
    return write_fake_bundle(folder, graphs=graphs, quantisation=QUANTISATION | changes)


@pytest.fixture
def either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """OpenVINO is a fake, on a processor with VNNI."""
    monkeypatch.setitem(RUNTIMES, "openvino", "tests.inference.runtimes.test_runtimes:EitherRuntime")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\n")
    monkeypatch.setattr(cpu_features, "CPUINFO", tmp_path / "cpuinfo")


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
        assert runtime.reason == f"openvino was requested; {precision} was requested."


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
        monkeypatch.setattr(cpu_features, "CPUINFO", tmp_path / "none")
    else:
        cpu_features.CPUINFO.write_text(flags)
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
    monkeypatch.setitem(RUNTIMES, "openvino", f"tests.inference.runtimes.test_runtimes:{kind}")
    bundle = bundle_of(tmp_path / "bundle")
    runtime = open_runtime(bundle)
    assert (runtime.precision, words in runtime.reason) == ("fp32", True)
    assert "/secret" not in runtime.reason
    with pytest.raises(error):
        open_runtime(bundle, name="openvino", precision="int8")


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize(("flags", "measured", "precision", "words"), [
    ("avx512_bf16", {}, "bf16", "bf16 because the bundle has no int8 graph and the bundle's fp32 graph in bf16 passed"),
    ("amx_bf16", {}, "bf16", "bf16 because the bundle has no int8 graph and"),
    ("avx512_vnni", {}, "fp32", "no int8 graph and this processor has no bf16 instructions (AVX512_BF16, AMX)."),
    ("avx512_bf16", {"gated": False, "comparison": None}, "fp32", "passed no gate in bf16."),
])  # fmt: skip
def test_auto_takes_bf16_that_passed_its_gate(
    tmp_path: Path, flags: str, measured: dict[str, object], precision: str, words: str
) -> None:
    cpu_features.CPUINFO.write_text(f"flags\t\t: fpu avx2 {flags}\n")
    runtime = open_runtime(write_fake_bundle(tmp_path / "bundle", bfloat16=BFLOAT16 | measured))
    assert (runtime.precision, runtime.graph, words in runtime.reason) == (precision, "openvino-fp32", True)


@pytest.mark.usefixtures("either")
def test_bf16_is_judged_by_its_own_tolerance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu_features.CPUINFO.write_text("flags\t\t: fpu avx2 avx512_bf16\n")
    monkeypatch.setitem(RUNTIMES, "openvino", "tests.inference.runtimes.test_runtimes:WrongInt8")
    runtime = open_runtime(write_fake_bundle(tmp_path / "strict", bfloat16=BFLOAT16))
    assert (runtime.precision, "in bf16 misses the golden cases here" in runtime.reason) == ("fp32", True)
    wide = write_fake_bundle(tmp_path / "wide", bfloat16=BFLOAT16 | {"tolerance": 0.99})
    assert open_runtime(wide).precision == "bf16"


@pytest.mark.usefixtures("either")
def test_int8_comes_before_bf16(tmp_path: Path) -> None:
    cpu_features.CPUINFO.write_text("flags\t\t: fpu avx2 avx512_bf16 avx512_vnni\n")
    graphs = {"openvino-fp32": FP32, "openvino-int8": FP32 | {"precision": "int8", "tolerance": 0.01}}
    both = {"graphs": graphs, "quantisation": QUANTISATION, "bfloat16": BFLOAT16}
    assert open_runtime(write_fake_bundle(tmp_path / "bundle", **both)).precision == "int8"


def test_nobody_is_served_in_bf16_unmeasured(fake_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a gated precision needs a comparison with openvino-bf16"):
        write_fake_bundle(tmp_path / "bundle", bfloat16=BFLOAT16 | {"comparison": None})


@pytest.mark.numeric
@pytest.mark.skipif(not cpu_features.multiplies_bfloat16(), reason="this processor has no bf16 instructions")
def test_the_starter_in_bf16(starter: Bundle) -> None:
    """OpenVINO's own bf16, or its refusal where its instruction sets are capped."""
    unmeasured = replace(starter, manifest=starter.manifest.model_copy(update={"bfloat16": None}))
    with pytest.raises(RuntimeUnavailable, match="was not measured in bf16"):
        open_runtime(unmeasured, name="openvino", precision="bf16")
    wide = Bfloat16(tolerance=0.2, gated=False, comparison=None)
    bundle = replace(starter, manifest=starter.manifest.model_copy(update={"bfloat16": wide}))
    if "OV_CPU_MAX_ISA" in os.environ:
        with pytest.raises(RuntimeUnavailable, match="no bf16 instructions that OpenVINO uses"):
            open_runtime(bundle, name="openvino", precision="bf16")
        return
    bf16, fp32 = (open_runtime(bundle, name="openvino", precision=each) for each in ("bf16", "fp32"))
    one, other = bf16.run(bundle.golden.images), fp32.run(bundle.golden.images)
    assert (bf16.graph, bf16.precision) == ("openvino-fp32", "bf16")
    assert np.abs(one.features.mean(axis=(1, 2)) @ bundle.head.w + bundle.head.b - one.logits).max() < 1e-4
    assert np.abs(one.features - other.features).max() > 1e-3, "it was computed in fp32"


def test_a_bundle_without_int8_has_the_digest_it_always_had(fake_bundle: Bundle, starter: Bundle) -> None:
    """The manifest of an earlier release has no key `quantisation`, and the digest covers every key."""
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
