"""Which images are in the training data, where only the bundle tells: its data are not here."""

import json
import shutil
from pathlib import Path

import pytest

from inference.bundle.storage import CONFIG, Bundle, open_bundle
from lunar.validation.overlap import Overlap, find_overlap
from lunar.validation.paragraphs import _overlap
from tests.support.paths import STARTER


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the starter, whose configuration a test changes."""
    return Path(shutil.copytree(STARTER, tmp_path / "bundle"))


def overlap(bundle: Bundle, tmp_path: Path, *images: str) -> Overlap:
    return find_overlap(bundle, images, data=tmp_path / "none")


def test_images_of_pretraining_are_not_recognised_by_a_number(starter: Bundle, tmp_path: Path) -> None:
    """The starter saw 15,284 images of ISIC 2019, none of them with a number of HAM10000."""
    found = overlap(starter, tmp_path, "ISIC_0000001_downsampled", "own")
    assert (found.images, found.known) == ((), False)
    assert "ISIC 2019 without HAM10000" in found.words
    assert _overlap(found).startswith("It is not known whether any of these images is in the training data (none has")


def test_what_is_recognised_by_a_number_is_not_all(starter: Bundle, tmp_path: Path) -> None:
    found = overlap(starter, tmp_path, "ISIC_0000001_downsampled", "clinic/ISIC_0024306", "ISIC_0034321")
    assert (found.images, found.known) == (("clinic/ISIC_0024306",), False)
    words = _overlap(found)
    assert "ISIC 2019 without HAM10000" in words
    assert words.endswith("so the numbers are too good: clinic/ISIC_0024306. This list may be incomplete.")


def test_without_other_data_the_numbers_of_ham10000_are_all(copied: Path, tmp_path: Path) -> None:
    bundle = open_bundle(copied)
    config = json.loads((copied / CONFIG).read_text())
    del config["pretrain"]
    (copied / CONFIG).write_text(json.dumps(config))
    found = overlap(bundle, tmp_path, "ISIC_0000001_downsampled")
    assert (found.images, found.known) == ((), True)
    assert _overlap(found).startswith("No image has a name of the training data (by the numbers of HAM10000")


def test_a_configuration_that_cannot_be_read_may_name_other_data(copied: Path, tmp_path: Path) -> None:
    bundle = open_bundle(copied)
    (copied / CONFIG).write_text("{}")
    found = overlap(bundle, tmp_path, "ISIC_0000001_downsampled")
    assert (found.images, found.known) == ((), False)
    assert found.words.endswith("cannot be read")
