"""Folds: every lesion is held out once, no network sees what it is tried on."""

from pathlib import Path

import numpy as np
import pytest

from training.folds import Folds, fold_records
from training.index import InvalidDataset, Record

COUNTS = (6, 9, 12, 4, 12, 60, 5)  # lesions of each class


def make_records() -> tuple[list[Record], dict[str, int]]:
    """One or two images a lesion; every tenth lesion has none."""
    labels = np.repeat(np.arange(7), COUNTS)
    lesions = {f"HAM_{number:04}": int(label) for number, label in enumerate(labels)}
    records = [
        Record(Path(f"{lesion}_{copy}.jpg"), f"{lesion}_{copy}", lesion, label)
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
        sizes = [sum(lesions[lesion] == label for lesion in part) for part in held]
        assert max(sizes) - min(sizes) <= 1
        assert sum(sizes) == count
    for number, part in enumerate(folds.parts().values()):
        assert part
        assert not {record.lesion_id for record in part} & folds.seen_by(number)
    assert sorted(record.image_id for part in folds.parts().values() for record in part) == sorted(
        record.image_id for record in records
    )


def test_the_digest_knows_the_folds_and_nothing_else() -> None:
    records, lesions = make_records()
    backwards = fold_records(records[::-1], lesions=dict(reversed(lesions.items())), count=3, seed=1)
    assert backwards.digest() == make_folds().digest()
    assert make_folds(seed=2).digest() != make_folds().digest()


def test_folds_need_enough_lesions_and_known_ones() -> None:
    records, lesions = make_records()
    with pytest.raises(InvalidDataset, match="5 folds need 5 lesions of every class; the rarest class has 4"):
        fold_records(records, lesions=lesions, count=5, seed=1)
    stranger = Record(Path("x.jpg"), "x", "HAM_9999", 0)
    with pytest.raises(InvalidDataset, match="HAM_9999"):
        fold_records([*records, stranger], lesions=lesions, count=3, seed=1)
