"""Images of other data sets than HAM10000's: those of pretraining, and those that training sees beside HAM10000's."""

from pathlib import Path

from training.config import Config
from training.data.ham10000 import ImageRecord, InvalidDataset, read_rows
from training.data.label_table import read_elsewhere


def read_extra(config: Config, data: Path) -> tuple[ImageRecord, ...]:
    """The records of `config.extra`, none without that section. Raises InvalidDataset."""
    extra = config.extra
    if extra is None:
        return ()
    return read_elsewhere(data / extra.labels, data / extra.images, metadata=data / config.data.metadata)


def read_pretraining(config: Config, data: Path) -> tuple[ImageRecord, ...]:
    """The records of `config.pretrain` but those of its table `without`; none without that section.

    Raises InvalidDataset, also if that table names none of them.
    """
    stage = config.pretrain
    if stage is None:
        return ()
    records = read_elsewhere(data / stage.labels, data / stage.images[0], metadata=data / config.data.metadata)
    if stage.without is None:
        return records
    left_out = read_ids(data / stage.without)
    kept = tuple(record for record in records if record.image_id not in left_out)
    if len(kept) == len(records):
        raise InvalidDataset(f"No image of {stage.labels} stands in {stage.without}, so nothing would be left out.")
    return kept


def read_ids(table: Path) -> frozenset[str]:
    """The column `image_id` of a table. Raises InvalidDataset."""
    return frozenset(row["image_id"] for row in read_rows(table, columns=("image_id",)))
