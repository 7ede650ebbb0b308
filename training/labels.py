"""A folder of images with a table of labels, such as ISIC 2019's -> records."""

import csv
from pathlib import Path

from inference.taxonomy import CLASSES
from training.index import InvalidDataset, Record

# ISIC 2019 has eight classes: its AK and SCC are nearest to what HAM10000 calls akiec.
_MEANING = {code.upper(): code for code in CLASSES} | {"AK": "akiec", "SCC": "akiec"}


def read_labels(table: Path, folder: Path) -> tuple[Record, ...]:
    """The images that the columns `image_id` and `label` name; each counts as a lesion of its own.

    Raises InvalidDataset for a missing table or column, an unknown label, and a listed image that is not there.
    """
    if not table.is_file():
        raise InvalidDataset(f"{table} does not exist. LUNAR_DATA must name the folder that holds the data sets.")
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"image_id", "label"} <= rows[0].keys():
        raise InvalidDataset(f"{table.name} must have the columns image_id and label, and rows.")
    if unknown := {row["label"] for row in rows} - _MEANING.keys():
        raise InvalidDataset(
            f"Unknown labels in {table.name}: {', '.join(sorted(unknown))}; known: {', '.join(_MEANING)}."
        )
    files = {path.stem: path for path in folder.glob("*.jpg")}
    if missing := [row["image_id"] for row in rows if row["image_id"] not in files]:
        raise InvalidDataset(f"{len(missing)} images of {table.name} are not in {folder.name}, such as {missing[0]}.")
    return tuple(
        Record(files[row["image_id"]], row["image_id"], row["image_id"], CLASSES.index(_MEANING[row["label"]]))
        for row in rows
    )
