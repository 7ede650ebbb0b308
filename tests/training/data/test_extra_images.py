"""Images of another data set, which are trained on and never measured."""

from pathlib import Path

import pytest

from tests.support.drawn_run import CONFIG
from training.config import Config
from training.config_file import load
from training.data.extra_images import read_extra
from training.data.ham10000 import InvalidDataset

SECTION = """
[extra]
name = "elsewhere"
citation = "Somebody."
licence = "none"
labels = "elsewhere.csv"
images = "elsewhere"
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A table of two lesions, and another one of an image from elsewhere."""
    (tmp_path / "HAM10000_metadata.csv").write_text("lesion_id,image_id,dx\nL1,I1,mel\nL2,I2,nv\n")
    (tmp_path / "elsewhere").mkdir()
    for name in ("I2", "E1"):
        (tmp_path / "elsewhere" / f"{name}.jpg").write_bytes(b"is not read")
    (tmp_path / "elsewhere.csv").write_text("image_id,label\nE1,SCC\n")
    return tmp_path


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "drawn.toml"
    path.write_text(CONFIG + SECTION)
    return load(path)


def test_each_image_counts_as_a_lesion_of_its_own(config: Config, data: Path) -> None:
    (record,) = read_extra(config, data)
    assert (record.image_id, record.lesion_id, record.label) == ("E1", "E1", 0)
    assert record.path == data / "elsewhere" / "E1.jpg"


def test_without_the_section_there_are_none(config: Config, data: Path) -> None:
    assert read_extra(config.model_copy(update={"extra": None}), data) == ()


def test_an_image_that_might_be_held_out_is_refused(config: Config, data: Path) -> None:
    (data / "elsewhere.csv").write_text("image_id,label\nE1,MEL\nI2,NV\n")
    with pytest.raises(InvalidDataset, match=r"1 images of elsewhere.csv also stand in .*, such as I2: training would"):
        read_extra(config, data)
