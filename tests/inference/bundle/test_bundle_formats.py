"""Bundles of every earlier format open, keep their digest and are written again as they were."""

import json
from pathlib import Path

import pytest

from inference.bundle.manifest import Manifest
from inference.bundle.storage import Bundle, open_bundle
from tests.support.fakes import write_fake_bundle

# The starter's manifest of 0.1, from before `quantisation`, `split_digest` and `evaluated_on` existed.
FIRST = Path(__file__).with_name("reference") / "manifest-0.1.json"
FIRST_DIGEST = "3ca1c4751871bd8314fb1aea3ad879b0e3e7fc4a0ce677b500b48ef0764311a2"
SPLIT = "bd5c83655d8c" + 52 * "0"  # its first 12 digits stand in the text of the starter's `split`


@pytest.fixture(scope="module")
def first() -> Manifest:
    return Manifest.model_validate_json(FIRST.read_text())


def test_an_old_manifest_keeps_the_digest_it_was_published_with(first: Manifest) -> None:
    assert first.digest == first.compute_digest() == FIRST_DIGEST


def test_an_old_manifest_is_dumped_without_the_fields_added_since(first: Manifest) -> None:
    stored = json.loads(FIRST.read_text())
    assert json.loads(first.model_dump_json()) == stored
    assert "split_digest" not in stored["data"]
    assert "evaluated_on" not in stored["metrics"]


def test_an_old_bundle_says_where_its_metrics_and_its_split_come_from(first: Manifest) -> None:
    metrics, data = first.metrics, first.data
    assert metrics.on_held_out_images
    assert not metrics.model_copy(update={"source": "the test part"}).on_held_out_images
    assert data.is_of_split(SPLIT)
    assert not data.is_of_split(SPLIT[::-1])


@pytest.mark.parametrize(("evaluated_on", "held_out"), [("test set", False), ("held-out images", True)])
def test_a_bundle_of_today_is_read_as_it_was_written(
    tmp_path: Path, starter: Bundle, evaluated_on: str, held_out: bool
) -> None:
    metrics = starter.manifest.metrics.model_copy(update={"evaluated_on": evaluated_on})
    data = starter.manifest.data.model_copy(update={"split_digest": 64 * "a"})
    written = write_fake_bundle(tmp_path / "bundle", trained=True, metrics=metrics, data=data).manifest
    read = open_bundle(tmp_path / "bundle").manifest
    assert read == written
    assert (read.metrics, read.data) == (metrics, data)
    assert read.digest == Manifest.model_validate_json(written.model_dump_json()).compute_digest()
    assert read.metrics.on_held_out_images is held_out
    assert read.data.is_of_split(64 * "a")
    assert not read.data.is_of_split(SPLIT), "the field decides, not the text"


def test_the_digest_covers_the_fields_added_since(tmp_path: Path, starter: Bundle) -> None:
    metrics, data = starter.manifest.metrics, starter.manifest.data
    changed = (data, data.model_copy(update={"split_digest": 64 * "a"}))
    one, other = (
        write_fake_bundle(tmp_path / str(number), trained=True, metrics=metrics, data=each).manifest.digest
        for number, each in enumerate(changed)
    )
    assert one != other
