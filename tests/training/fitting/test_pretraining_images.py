"""Which images a network is pretrained on."""

from pathlib import Path

import pytest

from training.config import PretrainConfig
from training.data.ham10000 import InvalidDataset
from training.fitting.pretraining import read_pretraining


@pytest.fixture
def stage(tmp_path: Path) -> PretrainConfig:
    """A stage on two images, of which another table names one."""
    (tmp_path / "elsewhere").mkdir()
    for name in ("E1", "E2"):
        (tmp_path / "elsewhere" / f"{name}.jpg").write_bytes(b"is not read")
    (tmp_path / "elsewhere.csv").write_text("image_id,label\nE1,SCC\nE2,NV\n")
    (tmp_path / "measured.csv").write_text("image_id\nE2\nE3\n")
    return PretrainConfig(
        name="elsewhere",
        citation="Somebody.",
        licence="none",
        labels="elsewhere.csv",
        images=("elsewhere",),
        size=32,
        layers=1,
        epochs=1,
        learning_rate=1e-3,
        patience=1,
    )


def ids(stage: PretrainConfig, data: Path) -> list[str]:
    return [record.image_id for record in read_pretraining(stage, data)]


def test_all_images_of_the_table(stage: PretrainConfig, tmp_path: Path) -> None:
    assert ids(stage, tmp_path) == ["E1", "E2"]


def test_images_kept_for_measuring_are_left_out(stage: PretrainConfig, tmp_path: Path) -> None:
    assert ids(stage.model_copy(update={"without": "measured.csv"}), tmp_path) == ["E1"]


def test_a_missing_table_of_images_to_leave_out_is_named(stage: PretrainConfig, tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match=r"absent\.csv does not exist"):
        read_pretraining(stage.model_copy(update={"without": "absent.csv"}), tmp_path)
