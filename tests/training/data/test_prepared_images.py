"""Reading records, splitting and preparing images."""

import errno
import os
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from inference.domain.taxonomy import CLASSES
from inference.imaging.preprocessing import Preprocessing
from training.data import prepared_images
from training.data.ham10000 import ImageRecord, InvalidDataset, read_files, read_index
from training.data.prepared_images import batches, check_images, counts_of, load_prepared_split, prepare_into
from training.data.splits import split_records

HEADER = "lesion_id,image_id,dx,age\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number, level in enumerate((10, 120, 240)):
        Image.new("RGB", (8, 8), (level, level, level)).save(tmp_path / "images" / f"I{number}.png")
    return tmp_path


def index(folder: Path, rows: str) -> tuple[ImageRecord, ...]:
    (folder / "m.csv").write_text(rows)
    return read_index(folder / "m.csv", [folder / "images"])


ROWS = HEADER + "L0,I0,nv,50\nL1,I1,mel,\nL1,I2,mel,\n"


def test_the_index_joins_rows_and_files(folder: Path) -> None:
    records = index(folder, ROWS)
    assert [(r.image_id, r.lesion_id, CLASSES[r.label]) for r in records] == [
        ("I0", "L0", "nv"), ("I1", "L1", "mel"), ("I2", "L1", "mel"),
    ]  # fmt: skip
    assert counts_of(records) == {"akiec": 0, "bcc": 0, "bkl": 0, "df": 0, "mel": 2, "nv": 1, "vasc": 0}


def test_rows_without_an_image_are_left_out(folder: Path) -> None:
    assert len(index(folder, ROWS + "L9,I9,df,\n")) == 3


@pytest.mark.parametrize(("rows", "cause"), [
    (ROWS.replace("dx", "diagnosis"), "no column dx"),
    (ROWS.replace("mel", "wart"), r"'wart' \(2\); known: akiec, bcc"),
    (ROWS + "L0,I0,nv,50\n", "1 images are listed twice in m.csv, such as I0"),
    (HEADER + "L0,I0,nv,\n", "2 images have no row in m.csv, such as I1"),
    (HEADER, "3 images have no row"),
    (ROWS.replace("L1", ""), "2 of the 3 rows of m.csv have no lesion_id"),
    (ROWS.replace("I2", ""), "1 of the 3 rows of m.csv have no image_id"),
    (ROWS.replace("I2,mel", "I2,nv"), "The lesion L1 has two diagnoses in m.csv"),
])  # fmt: skip
def test_a_wrong_table_is_refused_with_counts(folder: Path, rows: str, cause: str) -> None:
    with pytest.raises(InvalidDataset, match=cause):
        index(folder, rows)


def test_an_image_stored_twice_is_refused(folder: Path) -> None:
    (folder / "images" / "I0.jpg").write_bytes((folder / "images" / "I0.png").read_bytes())
    with pytest.raises(InvalidDataset, match="I0 is stored twice"):
        index(folder, ROWS)


def test_an_image_with_files_in_two_folders_is_read_once_for_each(folder: Path) -> None:
    (folder / "m.csv").write_text(ROWS)
    (folder / "sharper").mkdir()
    (folder / "sharper" / "I0.png").write_bytes((folder / "images" / "I0.png").read_bytes())
    records = read_files(folder / "m.csv", [folder / "images", folder / "sharper"])
    assert [record.path.parent.name for record in records if record.image_id == "I0"] == ["images", "sharper"]
    assert len(records) == len(read_index(folder / "m.csv", [folder / "images"])) + 1


def test_empty_and_absent_folders_are_refused(folder: Path) -> None:
    (folder / "m.csv").write_text(ROWS)
    (folder / "empty").mkdir()
    with pytest.raises(InvalidDataset, match="None of the 3 images"):
        read_index(folder / "m.csv", [folder / "empty"])
    with pytest.raises(InvalidDataset, match="is not a folder"):
        read_index(folder / "m.csv", [folder / "absent"])


def test_all_unreadable_images_are_named_at_once(folder: Path) -> None:
    for name, content in (("I1", b"\x89PNG\r\n\x1a\nrubbish"), ("I2", b"no image")):
        (folder / "images" / f"{name}.png").write_bytes(content)
    records = index(folder, ROWS)
    named = r"2 of 3 images cannot be read:\n  I1\.png: The PNG file is damaged.*\n  I2\.png: "
    with pytest.raises(InvalidDataset, match=named):
        load_prepared_split(records, Preprocessing(size=32, fit="squash"), cache=folder / "cache")
    with pytest.raises(InvalidDataset, match=named):
        check_images(records)
    check_images(records[:1])


@pytest.mark.slow
def test_batches_keep_the_order(folder: Path) -> None:
    split = load_prepared_split(index(folder, ROWS), Preprocessing(size=32, fit="squash"), cache=folder / "cache")
    assert split.images[:, 0, 0, 0].tolist() == [10, 120, 240]
    assert split.labels.tolist() == [5, 4, 4]
    read = [np.asarray(batch) for batch in batches(split.images, batch=2)]
    assert [len(batch) for batch in read] == [2, 1]
    assert (np.concatenate(read) == split.images).all()


def test_prepared_images_are_kept_and_changed_ones_prepared_again(folder: Path) -> None:
    records, spec = index(folder, ROWS), Preprocessing(size=32, fit="squash")
    first = load_prepared_split(records, spec, cache=folder / "cache")
    (kept,) = (folder / "cache").iterdir()
    stamp = kept.stat().st_mtime_ns
    assert (load_prepared_split(records, spec, cache=folder / "cache").images == first.images).all()
    assert kept.stat().st_mtime_ns == stamp
    Image.new("RGB", (8, 8), (99, 99, 99)).save(folder / "images" / "I1.png")
    assert load_prepared_split(records, spec, cache=folder / "cache").images[1, 0, 0, 0] == 99


def test_the_images_are_never_in_memory_together(folder: Path) -> None:
    """What is allocated for them at most is a small part of the file."""
    records, spec = index(folder, ROWS), Preprocessing(size=128, fit="squash")
    load_prepared_split(records, spec, cache=folder / "cache")  # imports what decoding needs
    many = records * 100
    tracemalloc.start()
    try:
        split = load_prepared_split(many, spec, cache=folder / "cache")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < split.images.nbytes / 4
    assert split.images[:, 0, 0, 0].tolist() == [10, 120, 240] * 100


def test_a_disk_that_is_full_is_no_crash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room of its own, a page of the memory map that finds none would end the process (SIGBUS)."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", fail)
    with pytest.raises(OSError, match="No space left"):
        load_prepared_split(index(folder, ROWS), Preprocessing(size=32, fit="squash"), cache=folder / "cache")
    assert not list((folder / "cache").iterdir())


def test_two_runs_may_prepare_the_same_images_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records, spec = index(folder, ROWS), Preprocessing(size=32, fit="squash")

    def while_another_run_does(*arguments: object) -> None:
        monkeypatch.setattr(prepared_images, "prepare_into", prepare_into)
        load_prepared_split(records, spec, cache=folder / "cache")
        prepare_into(*arguments)

    monkeypatch.setattr(prepared_images, "prepare_into", while_another_run_does)
    assert load_prepared_split(records, spec, cache=folder / "cache").images[:, 0, 0, 0].tolist() == [10, 120, 240]
    assert len(list((folder / "cache").iterdir())) == 1


def made_up(*, lesions: int) -> tuple[ImageRecord, ...]:
    """Records of every class; each lesion has one to three images."""
    return tuple(
        ImageRecord(Path(f"{lesion}_{view}.jpg"), f"I{lesion}_{view}", f"L{lesion}", lesion % 7)
        for lesion in range(lesions)
        for view in range(1 + lesion % 3)
    )


def test_no_lesion_is_in_two_parts() -> None:
    split = split_records(made_up(lesions=700), by="lesion", fractions=(0.7, 0.15, 0.15), seed=42)
    lesions = [{record.lesion_id for record in records} for records in (split.train, split.validation, split.test)]
    assert sum(map(len, lesions)) == len(set.union(*lesions)) == 700
    sizes = [len(records) / 1399 for records in (split.train, split.validation, split.test)]
    assert sizes == pytest.approx([0.7, 0.15, 0.15], abs=0.02)
    for members in (split.train, split.validation, split.test):
        shares = [count / len(members) for count in counts_of(members).values()]
        assert shares == pytest.approx([1 / 7] * 7, abs=0.03)


@pytest.mark.parametrize("fractions", [(0.72, 0.14, 0.14), (1 / 3, 1 / 3, 1 / 3), (0.9, 0.025, 0.075)])
@pytest.mark.parametrize("by", ["lesion", "image"])
def test_fractions_are_kept_as_given(by: Literal["lesion", "image"], fractions: tuple[float, float, float]) -> None:
    records = made_up(lesions=2100)
    split = split_records(records, by=by, fractions=fractions, seed=42)
    assert sum(map(len, split.splits().values())) == len(records)
    sizes = [len(members) / len(records) for members in split.splits().values()]
    assert sizes == pytest.approx(fractions, abs=0.004)
    for members in split.splits().values():
        assert [count / len(members) for count in counts_of(members).values()] == pytest.approx([1 / 7] * 7, abs=0.03)
    if by == "lesion":
        lesions = [{record.lesion_id for record in members} for members in split.splits().values()]
        assert sum(map(len, lesions)) == len(set.union(*lesions))


def test_a_split_by_image_does_leak() -> None:
    split = split_records(made_up(lesions=700), by="image", fractions=(0.7, 0.15, 0.15), seed=42)
    train = {record.lesion_id for record in split.train}
    assert Counter(record.lesion_id in train for record in split.validation)[True] > 50


def test_the_seed_decides_and_the_digest_knows() -> None:
    digests = [
        split_records(made_up(lesions=700), by="lesion", fractions=(0.7, 0.15, 0.15), seed=seed).digest()
        for seed in (1, 1, 2)
    ]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_too_few_of_a_class_is_refused() -> None:
    few = tuple(record for record in made_up(lesions=700) if record.label != 3 or record.lesion_id == "L3")
    with pytest.raises(InvalidDataset, match="has no image of df: there are too few"):
        split_records(few, by="lesion", fractions=(0.7, 0.15, 0.15), seed=42)


@pytest.mark.parametrize("by", ["lesion", "image"])
def test_too_few_images_to_divide_are_refused(by: Literal["lesion", "image"]) -> None:
    few = [record for label in range(7) for record in made_up(lesions=700) if record.label == label][:19]
    with pytest.raises(InvalidDataset, match="19 images are too few to divide: at least one class needs 20"):
        split_records(few, by=by, fractions=(0.7, 0.15, 0.15), seed=42)


def test_ham10000_as_it_is(real_data: Path) -> None:
    """The counts of the published data set, and the digest of the starter's folds."""
    metadata = real_data / "ham10000" / "HAM10000_metadata.csv"
    everything = read_index(metadata, [real_data / "ham10000" / "images_256_center"])
    assert len(everything) == 10_015
    assert len({record.lesion_id for record in everything}) == 7_470
    assert counts_of(everything) == {
        "akiec": 327, "bcc": 514, "bkl": 1099, "df": 115, "mel": 1113, "nv": 6705, "vasc": 142,
    }  # fmt: skip
    crops = read_index(metadata, [real_data / "ham10000" / "images_224_center"])
    assert len(crops) == 5_984
    split = split_records(crops, by="lesion", fractions=(0.7, 0.15, 0.15), seed=42)
    assert split.digest().startswith("8ba9a25cd19c")
