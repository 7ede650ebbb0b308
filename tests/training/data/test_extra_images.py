"""Images of other data sets: which of them training sees, and which are refused."""

from pathlib import Path

import pytest

from tests.support.drawn_run import CONFIG
from training.config import Config
from training.config_file import load
from training.data.extra_images import read_extra, read_pretraining
from training.data.ham10000 import InvalidDataset

EXTRA = """
[extra]
name = "elsewhere"
citation = "Somebody."
licence = "none"
labels = "elsewhere.csv"
images = "elsewhere"
"""
PRETRAIN = """
[pretrain]
name = "elsewhere"
citation = "Somebody."
licence = "none"
labels = "elsewhere.csv"
images = ["elsewhere"]
size = 32
layers = 1
epochs = 1
learning_rate = 1e-3
patience = 1
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A table of two lesions, and another one of two images from elsewhere."""
    (tmp_path / "HAM10000_metadata.csv").write_text("lesion_id,image_id,dx\nL1,I1,mel\nL2,I2,nv\n")
    (tmp_path / "elsewhere").mkdir()
    for name in ("I2", "E1", "E2"):
        (tmp_path / "elsewhere" / f"{name}.jpg").write_bytes(b"is not read")
    (tmp_path / "elsewhere.csv").write_text("image_id,label\nE1,SCC\nE2,NV\n")
    return tmp_path


def config_of(data: Path, section: str) -> Config:
    (path := data / "drawn.toml").write_text(CONFIG + section)
    return load(path)


def test_each_image_counts_as_a_lesion_of_its_own(data: Path) -> None:
    record, _ = read_extra(config_of(data, EXTRA), data)
    assert (record.image_id, record.lesion_id, record.label) == ("E1", "E1", 0)
    assert record.path == data / "elsewhere" / "E1.jpg"
    assert [record.image_id for record in read_pretraining(config_of(data, PRETRAIN), data)] == ["E1", "E2"]


def test_without_the_section_there_are_none(data: Path) -> None:
    assert read_extra(config_of(data, ""), data) == ()
    assert read_pretraining(config_of(data, ""), data) == ()


def test_an_image_that_might_be_held_out_is_refused(data: Path) -> None:
    (data / "elsewhere.csv").write_text("image_id,label\nE1,MEL\nI2,NV\n")
    cause = r"1 images of elsewhere.csv also stand in .*, such as I2: training would"
    with pytest.raises(InvalidDataset, match=cause):
        read_extra(config_of(data, EXTRA), data)
    with pytest.raises(InvalidDataset, match=cause):
        read_pretraining(config_of(data, PRETRAIN), data)


def test_an_image_with_two_diagnoses_is_refused(data: Path) -> None:
    (data / "elsewhere.csv").write_text("image_id,label\nE1,MEL\nE1,NV\n")
    with pytest.raises(InvalidDataset, match=r"1 images are listed twice in elsewhere\.csv, such as E1"):
        read_extra(config_of(data, EXTRA), data)


def test_images_kept_for_measuring_are_left_out_of_pretraining(data: Path) -> None:
    config = config_of(data, f'{PRETRAIN}without = "measured.csv"\n')
    (data / "measured.csv").write_text("image_id\nE2\nE3\n")
    assert [record.image_id for record in read_pretraining(config, data)] == ["E1"]
    (data / "measured.csv").write_text("image_id\nE3\n")
    with pytest.raises(InvalidDataset, match=r"No image of elsewhere\.csv stands in measured\.csv"):
        read_pretraining(config, data)
    (data / "measured.csv").unlink()
    with pytest.raises(InvalidDataset, match=r"measured\.csv does not exist"):
        read_pretraining(config, data)
