"""Index and split."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.image import Preprocessing
from inference.taxonomy import CLASSES
from training import dataset
from training.dataset import batches, counts_of, load_part, prepare_images
from training.index import InvalidDataset, Record, read_index
from training.split import split_records

HEADER = "lesion_id,image_id,dx,age\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number, level in enumerate((10, 120, 240)):
        Image.new("RGB", (8, 8), (level, level, level)).save(tmp_path / "images" / f"I{number}.png")
    return tmp_path


def index(folder: Path, rows: str) -> tuple[Record, ...]:
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
])  # fmt: skip
def test_a_wrong_table_is_refused_with_counts(folder: Path, rows: str, cause: str) -> None:
    with pytest.raises(InvalidDataset, match=cause):
        index(folder, rows)


def test_an_image_stored_twice_is_refused(folder: Path) -> None:
    (folder / "images" / "I0.jpg").write_bytes((folder / "images" / "I0.png").read_bytes())
    with pytest.raises(InvalidDataset, match="I0 is stored twice"):
        index(folder, ROWS)


def test_empty_and_absent_folders_are_refused(folder: Path) -> None:
    (folder / "m.csv").write_text(ROWS)
    (folder / "empty").mkdir()
    with pytest.raises(InvalidDataset, match="None of the 3 images"):
        read_index(folder / "m.csv", [folder / "empty"])
    with pytest.raises(InvalidDataset, match="is not a folder"):
        read_index(folder / "m.csv", [folder / "absent"])


def test_unreadable_images_are_counted(folder: Path) -> None:
    (folder / "images" / "I1.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    with pytest.raises(InvalidDataset, match="1 of 3 images cannot be read, such as I1: The PNG file is damaged"):
        load_part(index(folder, ROWS), Preprocessing(size=32, fit="squash"), cache=folder / "cache")


def test_batches_keep_the_order(folder: Path) -> None:
    part = load_part(index(folder, ROWS), Preprocessing(size=32, fit="squash"), cache=folder / "cache")
    assert part.images[:, 0, 0, 0].tolist() == [10, 120, 240]
    assert part.labels.tolist() == [5, 4, 4]
    found = [np.asarray(batch) for batch in batches(part.images, batch=2)]
    assert [len(batch) for batch in found] == [2, 1]
    assert (np.concatenate(found) == part.images).all()


def test_prepared_images_are_kept_and_changed_ones_prepared_again(folder: Path) -> None:
    records, spec = index(folder, ROWS), Preprocessing(size=32, fit="squash")
    first = load_part(records, spec, cache=folder / "cache")
    (kept,) = (folder / "cache").iterdir()
    stamp = kept.stat().st_mtime_ns
    assert (load_part(records, spec, cache=folder / "cache").images == first.images).all()
    assert kept.stat().st_mtime_ns == stamp
    Image.new("RGB", (8, 8), (99, 99, 99)).save(folder / "images" / "I1.png")
    assert load_part(records, spec, cache=folder / "cache").images[1, 0, 0, 0] == 99


def test_two_runs_may_prepare_the_same_images_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records, spec = index(folder, ROWS), Preprocessing(size=32, fit="squash")

    def while_another_run_does(*arguments: object) -> np.ndarray:
        monkeypatch.setattr(dataset, "prepare_images", prepare_images)
        load_part(records, spec, cache=folder / "cache")
        return prepare_images(records, spec)

    monkeypatch.setattr(dataset, "prepare_images", while_another_run_does)
    assert load_part(records, spec, cache=folder / "cache").images[:, 0, 0, 0].tolist() == [10, 120, 240]
    assert len(list((folder / "cache").iterdir())) == 1


def made_up(*, lesions: int) -> tuple[Record, ...]:
    """Lesions of one to three images each, in every class."""
    return tuple(
        Record(Path(f"{lesion}_{view}.jpg"), f"I{lesion}_{view}", f"L{lesion}", lesion % 7)
        for lesion in range(lesions)
        for view in range(1 + lesion % 3)
    )


def test_no_lesion_is_in_two_parts() -> None:
    split = split_records(made_up(lesions=700), by="lesion", fractions=(0.7, 0.15, 0.15), seed=42)
    parts = [{record.lesion_id for record in part} for part in (split.train, split.validation, split.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 700
    sizes = [len(part) / 1399 for part in (split.train, split.validation, split.test)]
    assert sizes == pytest.approx([0.7, 0.15, 0.15], abs=0.02)
    for part in (split.train, split.validation, split.test):
        shares = [count / len(part) for count in counts_of(part).values()]
        assert shares == pytest.approx([1 / 7] * 7, abs=0.03)


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
    with pytest.raises(InvalidDataset, match="has no image of df: too few"):
        split_records(few, by="lesion", fractions=(0.7, 0.15, 0.15), seed=42)


def test_ham10000_as_it_is(real_data: Path) -> None:
    """The counts of the published data set, and the digest of the starter's split."""
    metadata = real_data / "ham10000" / "HAM10000_metadata.csv"
    everything = read_index(metadata, [real_data / "ham10000" / "images_200x150"])
    assert len(everything) == 10_015
    assert len({record.lesion_id for record in everything}) == 7_470
    assert counts_of(everything) == {
        "akiec": 327, "bcc": 514, "bkl": 1099, "df": 115, "mel": 1113, "nv": 6705, "vasc": 142,
    }  # fmt: skip
    crops = read_index(metadata, [real_data / "ham10000" / "images_224_center"])
    assert len(crops) == 5_984
    split = split_records(crops, by="lesion", fractions=(0.7, 0.15, 0.15), seed=42)
    assert split.digest().startswith("8ba9a25cd19c")
