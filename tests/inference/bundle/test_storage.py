"""A bundle is verified whenever it is opened, and the error names what is wrong."""

import io
import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference.bundle.storage import Bundle, InvalidBundle, open_bundle
from inference.runtimes import RUNTIMES, GoldenMismatch, RuntimeUnavailable, open_runtime
from tests.support.fakes import write_fake_bundle
from tests.support.paths import STARTER


@pytest.fixture
def folder(fake_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fake_bundle.path, tmp_path / "bundle"))


def edit(folder: Path, change: Callable[[dict], None]) -> None:
    """Change the manifest and recompute its digest, so that only the change can be wrong."""
    from inference.bundle.manifest import Manifest

    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    try:
        content["digest"] = Manifest.model_validate(content).compute_digest()
    except ValueError:
        content["digest"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(content))


def test_what_was_written_is_what_is_read(fake_bundle: Bundle) -> None:
    again = open_bundle(fake_bundle.path)
    assert again.manifest == fake_bundle.manifest
    assert (again.head.w == fake_bundle.head.w).all()
    assert (again.golden.images == fake_bundle.golden.images).all()


def test_the_digest_covers_weights_and_manifest(tmp_path: Path) -> None:
    one, same, other, hotter = (
        write_fake_bundle(tmp_path / name, seed=seed, temperature=temperature).manifest.digest
        for name, seed, temperature in (("a", 0, 1.0), ("b", 0, 1.0), ("c", 1, 1.0), ("d", 0, 1.1))
    )
    assert one == same
    assert len({one, other, hotter}) == 3


@pytest.mark.parametrize(("change", "cause"), [
    (lambda m: m.pop("temperature"), "temperature: Field required"),
    (lambda m: m.update(colour="red"), "colour: Extra inputs"),
    (lambda m: m.update(schema_version=2), "schema_version"),
    (lambda m: m.update(temperature=0), "temperature"),
    (lambda m: m.update(temperature=float("nan")), "temperature"),
    (lambda m: m["classes"].reverse(), "akiec, bcc, bkl, df, mel, nv, vasc in this order"),
    (lambda m: m.update(head_shape=[9, 7]), "does not fit features"),
    (lambda m: m.update(trained=True), "states its metrics"),
    (lambda m: m.update(graphs={}), "openvino-fp32 is required"),
    (lambda m: m["preprocessing"].update(fit="stretch"), "fit"),
    (lambda m: m["thresholds"].update(high=0.1), "below the moderate"),
    (lambda m: m["files"].update({"../evil": "0" * 64}), "leaves the bundle"),
    (lambda m: m["files"].update({"/etc/passwd": "0" * 64}), "leaves the bundle"),
    (lambda m: m["files"].pop("head.npz"), "no hash for head.npz"),
    (lambda m: m["files"].pop("MODEL_CARD.md"), "no hash for MODEL_CARD.md"),
    (lambda m: m["files"].update({"head.npz": "0" * 64}), "head.npz does not have the hash"),
    (lambda m: m["files"].update({"more.txt": "0" * 64}), "Missing from the bundle: more.txt"),
])  # fmt: skip
def test_a_wrong_manifest_is_refused_with_the_cause(folder: Path, change: Callable[[dict], None], cause: str) -> None:
    edit(folder, change)
    with pytest.raises(InvalidBundle, match=cause):
        open_bundle(folder)


@pytest.mark.parametrize(("change", "cause"), [
    (lambda m: m["overall"].pop("malignant_auc"), "the metrics lack malignant_auc"),
    (lambda m: m["per_class"].pop("df"), "the metrics lack recall of df, precision of df, f1 of df, auc of df"),
    (lambda m: m["per_class"]["mel"].pop("auc"), "the metrics lack auc of mel"),
    (lambda m: m["confusion"].pop(), "7 rows of 7 counts"),
    (lambda m: m["confusion"][3].pop(), "7 rows of 7 counts"),
])  # fmt: skip
def test_a_trained_bundle_has_every_number_of_its_card(
    tmp_path: Path, change: Callable[[dict], None], cause: str
) -> None:
    folder = Path(shutil.copytree(STARTER, tmp_path / "bundle"))
    edit(folder, lambda manifest: change(manifest["metrics"]))
    with pytest.raises(InvalidBundle, match=cause):
        open_bundle(folder)


def test_a_changed_manifest_without_its_digest_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"temperature": 1.5', '"temperature": 1.25'))
    with pytest.raises(InvalidBundle, match="digest does not match"):
        open_bundle(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"'])
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(InvalidBundle, match="manifest"):
        open_bundle(folder)


def test_a_file_that_nobody_listed_is_refused(folder: Path) -> None:
    (folder / "extra.bin").write_bytes(b"x")
    with pytest.raises(InvalidBundle, match=r"Not listed in the manifest: extra\.bin"):
        open_bundle(folder)


def test_no_folder_and_no_manifest_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InvalidBundle, match="no readable manifest"):
            open_bundle(folder)


def test_a_flipped_byte_is_found(folder: Path) -> None:
    path = folder / "graphs" / "fake.xml"
    path.write_bytes(path.read_bytes().replace(b"fake", b"fale"))
    with pytest.raises(InvalidBundle, match=r"graphs/fake\.xml does not have the hash"):
        open_bundle(folder)


def test_a_symbolic_link_is_no_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("# A fake\n")
    (folder / "MODEL_CARD.md").unlink()
    (folder / "MODEL_CARD.md").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidBundle, match=r"MODEL_CARD\.md is not a regular file"):
        open_bundle(folder)


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def not_an_array() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("w.npy", b"hello")
        archive.writestr("b.npy", b"hello")
    return buffer.getvalue()


def with_central_field(data: bytes, *, at: int, value: int) -> bytes:
    """Change a 16-bit field of the first entry in a zip's central directory."""
    place = data.index(b"PK\x01\x02") + at
    return data[:place] + value.to_bytes(2, "little") + data[place + 2 :]


W, B = np.zeros((3, 7), np.float32), np.zeros(7, np.float32)


@pytest.mark.parametrize(("head", "cause"), [
    (b"rubbish", "cannot be read"),
    (b"PK\x03\x04rubbish", "cannot be read"),
    (not_an_array(), "cannot be read"),
    (npz(w=np.array([{"a": 1}], dtype=object), b=B), "cannot be read"),  # a pickle inside
    (with_central_field(npz(w=W, b=B), at=6, value=209), "cannot be read"),  # of a later zip; found by fuzzing
    (with_central_field(npz(w=W, b=B), at=8, value=1), "cannot be read"),  # encrypted
    (with_central_field(npz(w=W, b=B), at=10, value=99), "cannot be read"),  # an unknown compression
    (npz(w=W), "holds w; expected w, b"),
    (npz(w=W.astype(np.float64), b=B), "w is float64"),
    (npz(w=W.T, b=B), "head w have shape"),
    (npz(w=W * np.nan, b=B), "not finite"),
    (npz(w=W, b=B + np.inf), "not finite"),
])  # fmt: skip
def test_a_wrong_head_is_refused(folder: Path, head: bytes, cause: str) -> None:
    import hashlib

    (folder / "head.npz").write_bytes(head)
    edit(folder, lambda m: m["files"].update({"head.npz": hashlib.sha256(head).hexdigest()}))
    with pytest.raises(InvalidBundle, match=cause):
        open_bundle(folder)


def test_a_runtime_that_misses_the_golden_cases_is_refused(
    fake_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RUNTIMES, "openvino", "tests.support.fakes:FakeRuntime")
    assert open_runtime(fake_bundle, name="openvino").name == "fake"
    wrong = Bundle(
        path=fake_bundle.path,
        manifest=fake_bundle.manifest,
        head=fake_bundle.head,
        golden=type(fake_bundle.golden)(fake_bundle.golden.images, fake_bundle.golden.logits[::-1]),
    )
    with pytest.raises(GoldenMismatch, match=r"misses the golden cases by .*; allowed: 0.0001"):
        open_runtime(wrong, name="openvino")


def test_an_unknown_runtime_names_the_known_ones(fake_bundle: Bundle) -> None:
    with pytest.raises(RuntimeUnavailable, match="allowed: auto, openvino, tensorflow"):
        open_runtime(fake_bundle, name="onnx")


@pytest.mark.usefixtures("tensorflow")
def test_tensorflow_without_its_graph_names_those_present(starter: Bundle) -> None:
    with pytest.raises(RuntimeUnavailable, match="no graph keras; present: openvino-fp32"):
        open_runtime(starter, name="tensorflow")


def test_where_tensorflow_is_not_installed_it_says_for_which_python_it_is(
    starter: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # an import then fails, and find_spec has no answer
    with pytest.raises(RuntimeUnavailable, match=r"not installed\. .*-training\.lock .* 3\.11, 3\.12 and 3\.13"):
        open_runtime(starter, name="tensorflow")


def test_openvino_without_its_graph_names_those_present(starter: Bundle) -> None:
    with pytest.raises(RuntimeUnavailable, match="no graph openvino-int8; present: openvino-fp32"):
        open_runtime(starter, name="openvino", precision="int8")


def test_the_starter_is_small_and_says_what_it_is(starter: Bundle) -> None:
    size = sum(path.stat().st_size for path in starter.path.rglob("*") if path.is_file())
    assert size <= 30_000_000
    assert starter.manifest.trained
    assert set(starter.manifest.graphs) == {"openvino-fp32"}
    assert starter.manifest.preprocessing.fit == "center-crop"
    card = (starter.path / "MODEL_CARD.md").read_text()
    for words in ("Not a medical device", "CC BY-NC 4.0", "3 folds by lesion", "## Limits", "python -m training run"):
        assert words in card
