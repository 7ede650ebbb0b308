"""What is known of the patient and the site of a lesion, as numbers: the optional second input in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config_sections import PatientConfig
from training.data.attributes import AGE_BANDS, UNKNOWN, read_attributes
from training.data.ham10000 import InvalidDataset
from training.data.prepared_images import PreparedSplit, Records

# The groups of each attribute: those of HAM10000's metadata.
GROUPS = {
    "age": AGE_BANDS,
    "sex": ("female", "male"),
    "site": (
        "abdomen",
        "acral",
        "back",
        "chest",
        "ear",
        "face",
        "foot",
        "genital",
        "hand",
        "lower extremity",
        "neck",
        "scalp",
        "trunk",
        "upper extremity",
    ),
}


def width(attributes: Sequence[str]) -> int:
    """How many numbers `encode` gives for an image."""
    return sum(len(GROUPS[attribute]) for attribute in attributes)


def encode(records: Records, metadata: Path, *, attributes: Sequence[str]) -> NDArray[np.float32]:
    """The attributes of each record's patient as one-hot groups side by side, float32 [n, m]; zeros where unknown.

    Raises InvalidDataset for an attribute without a column in the metadata, and for a group that is not in GROUPS.
    """
    read = read_attributes(metadata)
    if missing := [attribute for attribute in attributes if attribute not in read]:
        raise InvalidDataset(f"{metadata.name} has no column for {', '.join(missing)}, which the configuration names.")
    return np.concatenate([_one_hot(attribute, read[attribute], records) for attribute in attributes], axis=1)


def with_patients(
    split: PreparedSplit, records: Records, *, config: PatientConfig | None, metadata: Path
) -> PreparedSplit:
    """The split with what is known of the patients; unchanged without a configuration. Raises InvalidDataset."""
    if config is None:
        return split
    return replace(split, patients=encode(records, metadata, attributes=config.attributes))


def _one_hot(attribute: str, groups: dict[str, str], records: Records) -> NDArray[np.float32]:
    known = (*GROUPS[attribute], UNKNOWN)
    found = [groups.get(record.image_id, UNKNOWN) for record in records]  # another data set's images have no row
    if other := set(found).difference(known):
        raise InvalidDataset(f"Unknown groups of {attribute}: {', '.join(sorted(other))}; known: {', '.join(known)}.")
    rows = np.eye(len(known), dtype=np.float32)[[known.index(group) for group in found]]
    return rows[:, :-1]
