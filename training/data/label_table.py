"""Reads a folder of images with a table of labels, such as ISIC 2019, into records."""

from pathlib import Path

from inference.domain.taxonomy import CLASSES
from training.data.ham10000 import ImageRecord, InvalidDataset, find_images, read_image_ids, read_rows, require_once

# ISIC 2019 has eight classes; its AK and SCC are the nearest to the class akiec of HAM10000.
_CODES = {code.upper(): code for code in CLASSES} | {"AK": "akiec", "SCC": "akiec"}


def read_labels(table: Path, folder: Path) -> tuple[ImageRecord, ...]:
    """Read the images listed in the columns `image_id` and `label`, in any case; each counts as a lesion of its own.

    Raises InvalidDataset for a missing table or column, an unknown label, an image that is listed twice or has no file.
    """
    rows = read_rows(table, columns=("image_id", "label"))
    if not rows:
        raise InvalidDataset(f"{table.name} has no rows.")
    if unknown := {row["label"] for row in rows if row["label"].upper() not in _CODES}:
        raise InvalidDataset(
            f"Unknown labels in {table.name}: {', '.join(sorted(unknown))}; known: {', '.join(_CODES)}."
        )
    require_once(rows, table)
    files = find_images([folder])
    if missing := [row["image_id"] for row in rows if row["image_id"] not in files]:
        raise InvalidDataset(f"{len(missing)} images of {table.name} are not in {folder.name}, such as {missing[0]}.")
    return tuple(
        ImageRecord(
            files[row["image_id"]], row["image_id"], row["image_id"], CLASSES.index(_CODES[row["label"].upper()])
        )
        for row in rows
    )


def read_elsewhere(table: Path, folder: Path, *, metadata: Path) -> tuple[ImageRecord, ...]:
    """The same of another data set than that of `metadata`.

    Raises InvalidDataset, also for an image that stands in `metadata` too: it might be held out.
    """
    records, known = read_labels(table, folder), read_image_ids(metadata)
    if shared := sorted(record.image_id for record in records if record.image_id in known):
        raise InvalidDataset(
            f"{len(shared)} images of {table.name} also stand in {metadata.name}, such as {shared[0]}: "
            "training would see images that are held out."
        )
    return records
