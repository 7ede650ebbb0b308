"""What a bundle was made from: which images it saw, and which data are not those."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from inference.bundle.storage import CONFIG as ORIGIN
from inference.bundle.storage import Bundle, open_bundle
from lunar.validation.overlap import find_overlap
from tests.support.drawn_run import CONFIG
from tests.support.paths import STARTER
from training.config import InvalidConfig
from training.config_file import load
from training.data.data_split import Folds, Split
from training.data.ham10000 import ImageRecord, InvalidDataset
from training.data.origin import read_origin, trained_images

OTHERS = """
[pretrain]
name = "elsewhere"
citation = "Somebody."
licence = "none"
labels = "elsewhere.csv"
images = ["elsewhere"]
without = "measured.csv"
size = 32
layers = 1
epochs = 1
learning_rate = 1e-3
patience = 1

[extra]
name = "more"
citation = "Somebody."
licence = "none"
labels = "more.csv"
images = "more"
"""


def record(image: str, lesion: str) -> ImageRecord:
    return ImageRecord(Path(f"{image}.jpg"), image, lesion, 0)


def test_every_stage_counts_as_seen(tmp_path: Path) -> None:
    """Other images of a fold's lesions, extra ones, and those of pretraining that are not left out; no test set."""
    (tmp_path / "HAM10000_metadata.csv").write_text(
        "lesion_id,image_id,dx\nL1,I1,mel\nL1,I1b,mel\nL2,I2,nv\nL3,I3,nv\n"
    )
    (tmp_path / "elsewhere.csv").write_text("image_id,label\nE1,MEL\nE2,NV\n")
    (tmp_path / "measured.csv").write_text("image_id\nE2\n")
    (tmp_path / "more.csv").write_text("image_id,label\nM1,NV\n")
    (path := tmp_path / "drawn.toml").write_text(CONFIG + OTHERS)
    config = load(path)
    folds = Folds((record("I1", "L1"), record("I2", "L2")), np.array([0, 1]), {"L1": 0, "L2": 1}, 2)
    assert trained_images(config, folds, tmp_path) == {"I1", "I1b", "I2", "E1", "M1"}
    split = Split((record("I1", "L1"),), (record("I2", "L2"),), (record("I3", "L3"),), by="lesion")
    assert trained_images(config, split, tmp_path) == {"I1", "I2", "E1", "M1"}


def test_the_starter_saw_all_images_of_its_lesions(starter: Bundle, real_data: Path) -> None:
    """ISIC_0025030 has no centre crop: it was seen in another stage only."""
    names = ["ISIC_0025030", "clinic/ISIC_0024306_downsampled", "ISIC_9999999"]
    found = find_overlap(starter, names, data=real_data)
    assert found.images == tuple(sorted(names[:2]))
    assert "own training images" in found.words


def test_part_of_the_images_is_not_what_a_bundle_was_made_of(starter: Bundle, real_data: Path, tmp_path: Path) -> None:
    """The folds are those of the metadata, so only the number of the images tells."""
    folder = tmp_path / "ham10000"
    (folder / "images_224_center").mkdir(parents=True)
    shutil.copy(real_data / "ham10000" / "HAM10000_metadata.csv", folder)
    for path in sorted((real_data / "ham10000" / "images_224_center").glob("*.jpg"))[:-1]:
        (folder / "images_224_center" / path.name).symlink_to(path)
    with pytest.raises(InvalidDataset, match=r"was made of .* images; .* has"):
        read_origin(starter, tmp_path)
    assert read_origin(starter, real_data)[1].digest()


def test_a_configuration_of_another_version_is_named(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(STARTER, tmp_path / "bundle"))
    text = (folder / ORIGIN).read_text(encoding="utf-8")
    bundle = open_bundle(folder)
    (folder / ORIGIN).write_text(text.replace("{", '{"brilliance": 3,', 1), encoding="utf-8")
    with pytest.raises(InvalidConfig, match=r"config.json is of another version of Lunar.*: brilliance"):
        read_origin(bundle, tmp_path)
