"""HAM10000 on disk -> one record an image. Accepts the Kaggle layout and any folder of <image_id>.jpg."""

import csv
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.taxonomy import CLASSES

_COLUMNS = ("lesion_id", "image_id", "dx")
_SUFFIXES = (".jpg", ".jpeg", ".png")


class InvalidDataset(ValueError):
    """The metadata or the folders cannot be used; the message gives counts and examples."""


@dataclass(frozen=True, slots=True)
class Record:
    """One image: its file, its lesion and its class as an index into CLASSES."""

    path: Path
    image_id: str
    lesion_id: str
    label: int


def read_index(metadata: Path, folders: Iterable[Path]) -> tuple[Record, ...]:
    """The records whose image lies in one of the folders, in the metadata's order.

    Raises InvalidDataset for missing columns, unknown diagnoses, an image listed or stored twice, an image without
    metadata, and an empty result. Rows without an image are allowed: a folder may hold a part of the data set.
    """
    rows = _read_rows(metadata)
    files = _find_images(folders)
    if strangers := files.keys() - {row["image_id"] for row in rows}:
        raise InvalidDataset(f"{len(strangers)} images have no row in {metadata.name}, such as {min(strangers)}.")
    records = tuple(
        Record(files[row["image_id"]], row["image_id"], row["lesion_id"], CLASSES.index(row["dx"]))
        for row in rows
        if row["image_id"] in files
    )
    if not records:
        raise InvalidDataset(f"None of the {len(rows)} images of {metadata.name} was found.")
    return records


def read_lesions(metadata: Path) -> dict[str, int]:
    """Every lesion's class, by its id. Raises InvalidDataset, also for a lesion with two diagnoses."""
    lesions: dict[str, int] = {}
    for row in _read_rows(metadata):
        label = CLASSES.index(row["dx"])
        if lesions.setdefault(row["lesion_id"], label) != label:
            raise InvalidDataset(f"The lesion {row['lesion_id']} has two diagnoses in {metadata.name}.")
    return lesions


def limit_classes(records: Sequence[Record], count: int, *, seed: int) -> tuple[Record, ...]:
    """At most `count` records of each class, drawn by the seed, in the index's order: for smoke runs."""
    order = random.Random(seed).sample(range(len(records)), len(records))  # noqa: S311  # nosec B311
    taken: Counter[int] = Counter()
    chosen = set()
    for position in order:
        label = records[position].label
        if taken[label] < count:
            taken[label] += 1
            chosen.add(position)
    return tuple(record for position, record in enumerate(records) if position in chosen)


def _read_rows(metadata: Path) -> list[dict[str, str]]:
    if not metadata.is_file():
        raise InvalidDataset(f"{metadata} does not exist. LUNAR_DATA must name the folder that holds the data sets.")
    with metadata.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if missing := [column for column in _COLUMNS if column not in (reader.fieldnames or ())]:
            raise InvalidDataset(f"{metadata.name} has no column {', '.join(missing)}.")
        rows = list(reader)
    unknown = Counter(row["dx"] for row in rows if row["dx"] not in CLASSES)
    if unknown:
        found = ", ".join(f"{dx!r} ({count})" for dx, count in unknown.items())
        raise InvalidDataset(f"Unknown diagnoses in {metadata.name}: {found}; known: {', '.join(CLASSES)}.")
    twice = [image for image, count in Counter(row["image_id"] for row in rows).items() if count > 1]
    if twice:
        raise InvalidDataset(f"{len(twice)} images are listed twice in {metadata.name}, such as {twice[0]}.")
    return rows


def _find_images(folders: Iterable[Path]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InvalidDataset(f"{folder} is not a folder.")
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in _SUFFIXES:
                continue
            if path.stem in files:
                raise InvalidDataset(f"The image {path.stem} is stored twice: {files[path.stem]} and {path}.")
            files[path.stem] = path
    return files
