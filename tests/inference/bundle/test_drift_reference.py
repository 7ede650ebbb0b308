"""reference.json: a bundle may lack it; one that is broken is no bundle."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference.bundle.drift_reference import DriftReference, confidence_bin, describe_answers
from inference.bundle.manifest import Manifest
from inference.bundle.storage import Bundle, InvalidBundle, open_bundle
from inference.domain.taxonomy import CLASSES

ANSWERS = np.array([
    [0.05, 0.05, 0.10, 0.00, 0.70, 0.10, 0.00],
    [0.00, 0.00, 0.00, 0.00, 0.00, 1.00, 0.00],
    [0.10, 0.10, 0.10, 0.10, 0.10, 0.35, 0.15],
])  # fmt: skip


@pytest.fixture
def folder(fake_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fake_bundle.path, tmp_path / "bundle"))


def add(folder: Path, text: str) -> None:
    """Put a reference into the bundle with its correct hash, so that only its content can be wrong."""
    (folder / "reference.json").write_text(text)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["reference.json"] = hashlib.sha256(text.encode()).hexdigest()
    manifest["digest"] = Manifest.model_validate(manifest).compute_digest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_answers_are_counted_by_class_and_confidence() -> None:
    found = describe_answers(ANSWERS)
    assert found.predicted == dict.fromkeys(CLASSES, 0) | {"mel": 1, "nv": 2}
    assert found.confidence == (0, 0, 0, 1, 0, 0, 0, 1, 0, 1)
    assert found.images == 3


@pytest.mark.parametrize(
    ("confidence", "number"), [(0.0, 0), (1 / 7, 1), (0.0999, 0), (0.3, 3), (0.7, 7), (0.95, 9), (1.0, 9)]
)
def test_bins_are_closed_below(confidence: float, number: int) -> None:
    assert confidence_bin(confidence) == number


def test_what_was_written_is_what_is_read(fake_bundle: Bundle, folder: Path) -> None:
    assert fake_bundle.reference is None
    add(folder, describe_answers(ANSWERS).model_dump_json())
    assert open_bundle(folder).reference == describe_answers(ANSWERS)


@pytest.mark.parametrize(("change", "cause"), [
    (lambda c: c.pop("confidence"), "confidence: Field required"),
    (lambda c: c.update(colour="red"), "colour: Extra inputs"),
    (lambda c: c["predicted"].pop("mel"), "one count for each of akiec"),
    (lambda c: c["predicted"].update(other=0), "one count for each of akiec"),
    (lambda c: c["predicted"].update(mel=2), "must count the same images"),
    (lambda c: c["predicted"].update(mel=-1, nv=4), "must count the same images"),
    (lambda c: c["confidence"].pop(), "at least 10 items"),
    (lambda c: c.update(predicted=dict.fromkeys(CLASSES, 0), confidence=[0] * 10), "at least one"),
])  # fmt: skip
def test_a_broken_reference_is_refused_with_the_cause(folder: Path, change: Callable[[dict], None], cause: str) -> None:
    content: dict = describe_answers(ANSWERS).model_dump(mode="json")
    change(content)
    add(folder, json.dumps(content))
    with pytest.raises(InvalidBundle, match=rf"reference\.json: .*{cause}"):
        open_bundle(folder)


def test_a_reference_is_a_value() -> None:
    found = describe_answers(ANSWERS)
    assert DriftReference.model_validate_json(found.model_dump_json()) == found
