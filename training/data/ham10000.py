"""Reads HAM10000 from disk into one record per image, from Kaggle's layout or any folders of <image_id>.jpg."""

import logging
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.domain.taxonomy import CLASSES
from training.text_files import Row, UnreadableText, read_table

_COLUMNS = ("lesion_id", "image_id", "dx")
_SUFFIXES = (".jpg", ".jpeg", ".png")

log = logging.getLogger(__name__)


class InvalidDataset(ValueError):
    """The metadata or the images cannot be used; the message gives the cause, counts and an example."""


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image: its file, its lesion and its class as an index into CLASSES."""

    path: Path
    image_id: str
    lesion_id: str
    label: int


def read_index(metadata: Path, folders: Iterable[Path]) -> tuple[ImageRecord, ...]:
    """Read the records of the images in the folders, in the order of the metadata.

    Raises InvalidDataset for missing columns and ids, unknown diagnoses, a lesion with two of them, an image listed or
    stored twice, an image without metadata, and an empty result. Rows without an image are allowed: a folder may hold
    some of the images only.
    """
    rows = _read_rows(metadata)
    files = find_images(folders)
    if unknown := files.keys() - {row["image_id"] for row in rows}:
        raise InvalidDataset(f"{len(unknown)} images have no row in {metadata.name}, such as {min(unknown)}.")
    records = tuple(
        ImageRecord(files[row["image_id"]], row["image_id"], row["lesion_id"], CLASSES.index(row["dx"]))
        for row in rows
        if row["image_id"] in files
    )
    if not records:
        raise InvalidDataset(f"None of the {len(rows)} images of {metadata.name} was found.")
    return records


def read_files(metadata: Path, folders: Iterable[Path]) -> tuple[ImageRecord, ...]:
    """As `read_index`, folder by folder: an image that is in several folders has a record for each of its files."""
    return tuple(record for folder in folders for record in read_index(metadata, [folder]))


def read_lesions(metadata: Path) -> dict[str, int]:
    """The class index of every lesion, by lesion id. Raises InvalidDataset."""
    return {row["lesion_id"]: CLASSES.index(row["dx"]) for row in _read_rows(metadata)}


def read_image_ids(metadata: Path) -> frozenset[str]:
    """The ids of all images of a table. Raises InvalidDataset."""
    return frozenset(row["image_id"] for row in _read_rows(metadata))


def limit_classes(records: Sequence[ImageRecord], count: int, *, seed: int) -> tuple[ImageRecord, ...]:
    """At most `count` records of each class, drawn from the seed, in their order: for smoke runs."""
    order = random.Random(seed).sample(range(len(records)), len(records))  # noqa: S311  # nosec B311
    taken: Counter[int] = Counter()
    chosen = set()
    for position in order:
        label = records[position].label
        if taken[label] < count:
            taken[label] += 1
            chosen.add(position)
    return tuple(record for position, record in enumerate(records) if position in chosen)


def read_rows(table: Path, *, columns: tuple[str, ...]) -> list[Row]:
    """The rows of a table of images, as training.text_files.read_table reads them. Raises InvalidDataset."""
    if not table.is_file():
        raise InvalidDataset(f"{table} does not exist. LUNAR_DATA must name the folder of the data sets.")
    try:
        return read_table(table, columns=columns)
    except UnreadableText as error:
        raise InvalidDataset(str(error)) from error


def find_images(folders: Iterable[Path]) -> dict[str, Path]:
    """The JPEG and PNG files in the folders by their name without suffix, whose case does not matter.

    Hidden files, such as the `._*.jpg` of macOS, are skipped, and their number is logged. Raises InvalidDataset.
    """
    files: dict[str, Path] = {}
    hidden = 0
    for folder in folders:
        if not folder.is_dir():
            raise InvalidDataset(f"{folder} is not a folder.")
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in _SUFFIXES:
                continue
            if path.name.startswith("."):
                hidden += 1
                continue
            if path.stem in files:
                raise InvalidDataset(f"The image {path.stem} is stored twice: {files[path.stem]} and {path}.")
            files[path.stem] = path
    if hidden:
        log.warning("%d hidden files, whose names begin with a dot, were skipped", hidden)
    return files


def _read_rows(metadata: Path) -> list[Row]:
    rows = read_rows(metadata, columns=_COLUMNS)
    unknown = Counter(row["dx"] for row in rows if row["dx"] not in CLASSES)
    if unknown:
        names = ", ".join(f"{dx!r} ({count})" for dx, count in unknown.items())
        raise InvalidDataset(f"Unknown diagnoses in {metadata.name}: {names}; known: {', '.join(CLASSES)}.")
    for column in ("image_id", "lesion_id"):
        if empty := sum(not row[column] for row in rows):
            hint = " An image whose lesion has no other image needs a lesion_id of its own." * (column == "lesion_id")
            raise InvalidDataset(f"{empty} of the {len(rows)} rows of {metadata.name} have no {column}.{hint}")
    require_once(rows, metadata)
    diagnoses: dict[str, str] = {}
    for row in rows:
        if diagnoses.setdefault(row["lesion_id"], row["dx"]) != row["dx"]:
            raise InvalidDataset(f"The lesion {row['lesion_id']} has two diagnoses in {metadata.name}.")
    return rows


def require_once(rows: Iterable[Row], table: Path) -> None:
    """Raises InvalidDataset for an image that is listed twice: it might have two diagnoses."""
    if twice := [image for image, count in Counter(row["image_id"] for row in rows).items() if count > 1]:
        raise InvalidDataset(f"{len(twice)} images are listed twice in {table.name}, such as {twice[0]}.")
