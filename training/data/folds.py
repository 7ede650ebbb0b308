"""Divides lesions and their images into the folds of a cross-validation."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.model_selection import StratifiedKFold

from inference.domain.taxonomy import CLASSES
from training.data.data_split import Folds
from training.data.ham10000 import ImageRecord, InvalidDataset


def fold_records(records: Sequence[ImageRecord], *, lesions: Mapping[str, int], count: int, seed: int) -> Folds:
    """Divide `lesions` (id -> class index) into `count` folds, stratified by class, and the records with them.

    Raises InvalidDataset when a class has fewer lesions than there are folds or images in less than two of them, or a
    record's lesion is unknown.
    """
    names, labels = sorted(lesions), np.array([lesions[name] for name in sorted(lesions)])
    rarest = int(np.bincount(labels)[np.unique(labels)].min())
    if rarest < count:
        raise InvalidDataset(f"{count} folds need {count} lesions of every class; the rarest class has {rarest}.")
    if unknown := {record.lesion_id for record in records} - lesions.keys():
        raise InvalidDataset(f"{len(unknown)} lesions are not in the metadata, such as {min(unknown)}.")
    of_lesion: dict[str, int] = {}
    divided = StratifiedKFold(n_splits=count, shuffle=True, random_state=seed).split(labels, labels)
    for fold, (_, members) in enumerate(divided):
        of_lesion |= {names[member]: fold for member in members}
    of_image = np.array([of_lesion[record.lesion_id] for record in records], dtype=np.int64)
    with_class = {(record.label, of_lesion[record.lesion_id]) for record in records}
    counts = Counter(label for label, _ in with_class)
    if poor := [CLASSES[label] for label in range(len(CLASSES)) if counts[label] < 2]:
        raise InvalidDataset(f"Every class needs images in two folds at least; {', '.join(poor)} lacks them.")
    return Folds(tuple(records), of_image, of_lesion, count)
