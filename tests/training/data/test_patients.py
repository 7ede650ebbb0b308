"""The second input: what the metadata say of the patients, hidden at random and mixed like the images."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.configs import NOTHING
from training.config import PatientConfig
from training.data.ham10000 import ImageRecord, InvalidDataset
from training.data.patients import GROUPS, encode, width, with_patients
from training.data.prepared_images import PreparedSplit
from training.data.training_batches import TrainingBatches

ALL = ("age", "sex", "site")
ROWS = ["a,80.0,Male,scalp", "b,,unknown,unknown", "c,29,female,Upper Extremity"]
RECORDS = [ImageRecord(Path(f"{name}.jpg"), name, name, 5) for name in "cba"]


def write(folder: Path, rows: list[str], header: str = "image_id,age,sex,localization") -> Path:
    path = folder / "metadata.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_every_group_has_its_column_and_the_unknown_is_zero(tmp_path: Path) -> None:
    found = encode(RECORDS, write(tmp_path, ROWS), attributes=ALL)
    names = [f"{attribute} {group}" for attribute in ALL for group in GROUPS[attribute]]
    assert (found.dtype, found.shape) == (np.float32, (3, width(ALL)))
    assert [[names[i] for i in np.flatnonzero(row)] for row in found] == [
        ["age 0-29", "sex female", "site upper extremity"],
        [],
        ["age 75+", "sex male", "site scalp"],
    ]
    assert set(np.unique(found)) == {0, 1}


def test_of_an_image_from_another_data_set_nothing_is_known(tmp_path: Path) -> None:
    elsewhere = ImageRecord(Path("e.jpg"), "e", "e", 5)
    assert encode([elsewhere], write(tmp_path, ROWS), attributes=ALL).tolist() == [[0] * width(ALL)]


def test_other_words_and_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match=r"Unknown groups of site: knee; known: abdomen, .*unknown"):
        encode(RECORDS, write(tmp_path, [*ROWS[:2], "c,29,female,knee"]), attributes=ALL)
    with pytest.raises(InvalidDataset, match="'old' is not an age"):
        encode(RECORDS, write(tmp_path, [*ROWS[:2], "c,old,female,back"]), attributes=["sex"])
    path = write(tmp_path, ["a,male", "b,male", "c,female"], "image_id,sex")
    with pytest.raises(InvalidDataset, match=r"metadata.csv has no column for age, site, which"):
        encode(RECORDS, path, attributes=ALL)
    assert encode(RECORDS, path, attributes=["sex"]).tolist() == [[1, 0], [0, 1], [0, 1]]


def test_without_a_configuration_nothing_is_read() -> None:
    split = PreparedSplit(np.zeros((3, 8, 8, 3), np.uint8), np.zeros(3, np.int64))
    assert with_patients(split, RECORDS, config=None, metadata=Path("missing.csv")) is split


def told(count: int) -> PreparedSplit:
    """Images of one colour, each as bright as its patient's only number: 100 of 255 is 1.0, 200 is 2.0."""
    number = 1 + np.arange(count, dtype=np.float32) % 2
    images = np.broadcast_to(100 * number[:, None, None, None], (count, 8, 8, 3)).astype(np.uint8)
    return PreparedSplit(images, np.arange(count) % 7, number[:, None])


@pytest.mark.usefixtures("tensorflow")
def test_a_share_of_the_patients_is_hidden_and_another_one_in_each_epoch() -> None:
    batches = TrainingBatches(told(400), NOTHING, batch=100, drop=0.25)
    hidden = []
    for epoch in (1, 2, 1):
        parts = [
            (images.numpy()[:, 0, 0, 0] / 100, patients.numpy()[:, 0])
            for (images, patients), _ in batches.epoch([epoch]).dataset
        ]
        images, patients = (np.concatenate(part) for part in zip(*parts, strict=True))
        np.testing.assert_allclose(patients[patients > 0], images[patients > 0])
        hidden.append(images * (patients == 0))
        assert 50 < (patients == 0).sum() < 150, "100 of 400, give or take five standard deviations"
    assert (hidden[0] == hidden[2]).all()
    assert (hidden[0] != hidden[1]).any()


@pytest.mark.parametrize("kind", ["mixup_probability", "cutmix_probability"])
@pytest.mark.usefixtures("tensorflow")
def test_patients_are_mixed_like_the_images(kind: str) -> None:
    mixing = NOTHING.model_copy(update={kind: 1.0})
    batches = TrainingBatches(told(32), mixing, batch=32)
    (((images, patients), labels),) = list(batches.epoch([3]).dataset)
    means = images.numpy().mean(axis=(1, 2, 3)) / 100
    np.testing.assert_allclose(patients.numpy()[:, 0], means, atol=0.01)  # pixels are rounded to whole levels
    assert len(np.unique(np.round(means, 2))) > 2, "some pairs differ"
    np.testing.assert_allclose(labels.numpy().sum(axis=1), 1, atol=1e-5)


def test_each_attribute_is_named_once() -> None:
    with pytest.raises(ValueError, match="each attribute may be named once, not age, age"):
        PatientConfig(attributes=("age", "age"), units=4, drop_probability=0.5)
