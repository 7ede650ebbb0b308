"""Reading a table of labels and a folder of images."""

from pathlib import Path

import pytest

from inference.domain.taxonomy import CLASSES
from training.data.ham10000 import InvalidDataset
from training.data.label_table import read_labels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c", "unlisted"):
        (tmp_path / f"{name}.jpg").write_bytes(b"")
    return tmp_path


def write_table(folder: Path, text: str) -> Path:
    (folder / "labels.csv").write_text(text)
    return folder / "labels.csv"


def test_two_of_isics_classes_are_one_of_ours(folder: Path) -> None:
    records = read_labels(write_table(folder, "image_id,label\na,AK\nb,scc\nc,mel\n"), folder)
    assert [CLASSES[record.label] for record in records] == ["akiec", "akiec", "mel"]
    assert [record.lesion_id for record in records] == ["a", "b", "c"]


@pytest.mark.parametrize(("text", "cause"), [
    ("image_id,label\na,UNK\n", "Unknown labels in labels.csv: UNK; known: AKIEC, BCC"),
    ("image_id,label\na,MEL\nz,NV\ny,NV\n", "2 images of labels.csv are not in .*, such as z"),
    ("image,label\na,MEL\n", "no column image_id; it has the columns image, label"),
    ("image_id,label\n", "labels.csv has no rows"),
    ("image_id,label\na,MEL\nb,NV\na,NV\n", "1 images are listed twice in labels.csv, such as a"),
])  # fmt: skip
def test_a_table_that_cannot_be_used_names_the_cause(folder: Path, text: str, cause: str) -> None:
    with pytest.raises(InvalidDataset, match=cause):
        read_labels(write_table(folder, text), folder)


def test_a_missing_table_names_the_setting(folder: Path) -> None:
    with pytest.raises(InvalidDataset, match="LUNAR_DATA"):
        read_labels(folder / "labels.csv", folder)
