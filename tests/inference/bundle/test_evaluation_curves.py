"""curves.json: a bundle may lack it; one that is broken is no bundle."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.bundle.evaluation_curves import Curves, Reliability
from inference.bundle.manifest import Manifest
from inference.bundle.storage import Bundle, InvalidBundle, open_bundle


@pytest.fixture
def folder(fake_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fake_bundle.path, tmp_path / "bundle"))


def add(folder: Path, text: str) -> None:
    """Put curves into the bundle with their correct hash, so that only their content can be wrong."""
    (folder / "curves.json").write_text(text)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["curves.json"] = hashlib.sha256(text.encode()).hexdigest()
    manifest["digest"] = Manifest.model_validate(manifest).compute_digest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_bundle_without_curves_is_one(fake_bundle: Bundle) -> None:
    assert fake_bundle.curves is None


def test_what_was_written_is_what_is_read(folder: Path, starter: Bundle) -> None:
    add(folder, starter.curves.model_dump_json())
    assert open_bundle(folder).curves == starter.curves


@pytest.mark.parametrize(("change", "cause"), [
    (lambda c: c.pop("malignant"), "malignant: Field required"),
    (lambda c: c.update(colour="red"), "colour: Extra inputs"),
    (lambda c: c["roc"].update(other=c["roc"]["mel"]), "unknown class: other"),
    (lambda c: c["roc"]["mel"]["true_positive_rate"].__setitem__(-1, 0.9), "rises from 0 to 1"),
    (lambda c: c["roc"]["mel"]["true_positive_rate"].reverse(), "rises from 0 to 1"),
    (lambda c: c["roc"]["mel"]["true_positive_rate"].__setitem__(5, 2), "rises from 0 to 1"),
    (lambda c: c["roc"]["mel"].update(false_positive_rate=[0.5, 1], true_positive_rate=[0, 1]), "rises from 0 to 1"),
    (lambda c: c["roc"]["mel"]["true_positive_rate"].append(1), "as many false as true"),
    (lambda c: c["roc"]["mel"].update(true_positive_rate=[]), "at least 2 items"),
    (lambda c: c["risk"].pop("high"), "risk.high: Field required"),
    (lambda c: c["calibrated"]["count"].pop(), "one value a bin"),
    (lambda c: c["calibrated"]["count"].__setitem__(0, 1), "if and only if it has images"),
    (lambda c: c["calibrated"]["accuracy"].__setitem__(14, None), "if and only if it has images"),
    (lambda c: c["calibrated"]["accuracy"].__setitem__(14, 1.5), "means between 0 and 1"),
])  # fmt: skip
def test_broken_curves_are_refused_with_the_cause(
    folder: Path, starter: Bundle, change: Callable[[dict], None], cause: str
) -> None:
    content = starter.curves.model_dump(mode="json")
    change(content)
    add(folder, json.dumps(content))
    with pytest.raises(InvalidBundle, match=rf"curves\.json: .*{cause}"):
        open_bundle(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_curves_that_are_none_are_refused(folder: Path, text: str) -> None:
    add(folder, text)
    with pytest.raises(InvalidBundle, match=r"curves\.json: curves:"):
        open_bundle(folder)


def test_changed_curves_are_found(folder: Path, starter: Bundle) -> None:
    add(folder, starter.curves.model_dump_json())
    (folder / "curves.json").write_text(starter.curves.model_dump_json(indent=1))
    with pytest.raises(InvalidBundle, match=r"curves\.json does not have the hash"):
        open_bundle(folder)


def test_curves_are_values(starter: Bundle) -> None:
    assert Curves.model_validate_json(starter.curves.model_dump_json()) == starter.curves
    with pytest.raises(ValueError, match="frozen"):
        starter.curves.malignant = None


def test_answers_like_this_are_those_of_similar_probability() -> None:
    curve = Reliability(
        count=(10, 20, 60, 100),
        confidence=(0.1, 0.3, 0.6, 0.9),
        accuracy=(0.5, 0.25, 0.5, 0.9),
    )
    assert curve.accuracy_near(0.8) == pytest.approx(0.9)
    assert curve.accuracy_near(1.0) == pytest.approx(0.9), "the last bin holds 1"
    assert curve.accuracy_near(0.3) == pytest.approx((10 * 0.5 + 20 * 0.25 + 60 * 0.5) / 90), "too few in its own bin"


def test_too_few_images_say_nothing() -> None:
    curve = Reliability(count=(0, 49), confidence=(None, 0.8), accuracy=(None, 1.0))
    assert curve.accuracy_near(0.9) is None
