"""Images of another data set that training sees beside those of HAM10000."""

from pathlib import Path

from training.config import Config
from training.data.ham10000 import ImageRecord, InvalidDataset, read_image_ids
from training.data.label_table import read_labels


def read_extra(config: Config, data: Path) -> tuple[ImageRecord, ...]:
    """The records of `config.extra`, none without that section.

    Raises InvalidDataset, also for an image of the configuration's own metadata: it might be held out.
    """
    if config.extra is None:
        return ()
    records = read_labels(data / config.extra.labels, data / config.extra.images)
    known = read_image_ids(data / config.data.metadata)
    if shared := sorted(record.image_id for record in records if record.image_id in known):
        raise InvalidDataset(
            f"{len(shared)} images of {config.extra.labels} also stand in {config.data.metadata}, such as {shared[0]}: "
            "training would see images that are held out."
        )
    return records
