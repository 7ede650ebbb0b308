"""What is read before training: each image, and what the metadata say of the patients."""

from pathlib import Path

import pytest
from PIL import Image

from tests.support.paths import ROOT
from training.config import PatientConfig
from training.config_file import load
from training.data.data_split import Split
from training.data.ham10000 import ImageRecord, InvalidDataset
from training.fitting.checkpoints import Checkpoints
from training.fitting.image_check import check_all_images

CONFIG = load(ROOT / "training" / "configs" / "smoke.toml")


@pytest.fixture
def split(tmp_path: Path) -> Split:
    records = []
    for name in "abc":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
        records.append(ImageRecord(tmp_path / f"{name}.png", name, name, 5))
    train, validation, test = ((record,) for record in records)
    return Split(train=train, validation=validation, test=test, by="lesion")


def write(folder: Path, age: str, site: str) -> None:
    path = folder / CONFIG.data.metadata
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"lesion_id,image_id,dx,age,localization\na,a,nv,{age},{site}\nb,b,nv,30,back\nc,c,nv,,back\n")


def test_an_age_that_cannot_be_read_is_named_before_training(split: Split, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    write(tmp_path, "85+", "back")
    with pytest.raises(InvalidDataset, match=r"'85\+' is not an age"):
        check_all_images(CONFIG, split, data=tmp_path, checkpoints=checkpoints)
    write(tmp_path, "85", "back")
    check_all_images(CONFIG, split, data=tmp_path, checkpoints=checkpoints)


def test_a_site_that_training_would_be_told_is_known_before_it(split: Split, tmp_path: Path) -> None:
    write(tmp_path, "85", "knee")
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    check_all_images(CONFIG, split, data=tmp_path, checkpoints=checkpoints)
    told = CONFIG.model_copy(update={"patients": PatientConfig(attributes=("site",), units=4, drop_probability=0.5)})
    with pytest.raises(InvalidDataset, match="Unknown groups of site: knee"):
        check_all_images(told, split, data=tmp_path, checkpoints=checkpoints)
