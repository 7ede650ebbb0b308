"""Folds: every lesion is held out once, and no network is trained on the lesions that it is measured on."""

from pathlib import Path

import numpy as np
import pytest

from training.data.data_split import Folds
from training.data.folds import fold_records
from training.data.ham10000 import ImageRecord, InvalidDataset

COUNTS = (6, 9, 12, 4, 12, 60, 5)  # lesions of each class


def make_records() -> tuple[list[ImageRecord], dict[str, int]]:
    """Records of one or two images per lesion; every tenth lesion has none."""
    labels = np.repeat(np.arange(7), COUNTS)
    lesions = {f"HAM_{number:04}": int(label) for number, label in enumerate(labels)}
    records = [
        ImageRecord(Path(f"{lesion}_{copy}.jpg"), f"{lesion}_{copy}", lesion, label)
        for number, (lesion, label) in enumerate(lesions.items())
        for copy in range((number % 10 > 0) + (number % 3 == 0))
    ]
    return records, lesions


def make_folds(seed: int = 1) -> Folds:
    records, lesions = make_records()
    return fold_records(records, lesions=lesions, count=3, seed=seed)


def test_every_lesion_is_held_out_once_and_classes_are_spread_evenly() -> None:
    records, lesions = make_records()
    folds = make_folds()
    held = [lesions.keys() - folds.seen_by(fold) for fold in range(3)]
    assert set.union(*map(set, held)) == set(lesions)
    assert sum(map(len, held)) == len(lesions)
    for label, count in enumerate(COUNTS):
        sizes = [sum(lesions[lesion] == label for lesion in fold) for fold in held]
        assert max(sizes) - min(sizes) <= 1
        assert sum(sizes) == count
    for number, fold in enumerate(folds.splits().values()):
        assert fold
        assert not {record.lesion_id for record in fold} & folds.seen_by(number)
    assert sorted(record.image_id for fold in folds.splits().values() for record in fold) == sorted(
        record.image_id for record in records
    )


def test_the_digest_knows_the_folds_and_nothing_else() -> None:
    records, lesions = make_records()
    backwards = fold_records(records[::-1], lesions=dict(reversed(lesions.items())), count=3, seed=1)
    assert backwards.digest() == make_folds().digest()
    assert make_folds(seed=2).digest() != make_folds().digest()


def test_folds_need_enough_lesions_and_known_ones() -> None:
    records, lesions = make_records()
    images = [record for record in records if record.label != 3]
    for some in (images, [*images, next(record for record in records if record.label == 3)]):
        with pytest.raises(InvalidDataset, match="images in two folds at least; df lacks them"):
            fold_records(some, lesions=lesions, count=3, seed=1)
    with pytest.raises(InvalidDataset, match="5 folds need 5 lesions of every class; the rarest class has 4"):
        fold_records(records, lesions=lesions, count=5, seed=1)
    stranger = ImageRecord(Path("x.jpg"), "x", "HAM_9999", 0)
    with pytest.raises(InvalidDataset, match="HAM_9999"):
        fold_records([*records, stranger], lesions=lesions, count=3, seed=1)
