"""Finds images that cannot be read before hours of training, not after them."""

from __future__ import annotations

from pathlib import Path

from training.config import Config
from training.data.attributes import read_attributes
from training.data.data_split import DataSplit
from training.data.extra_images import read_extra, read_pretraining
from training.data.ham10000 import InvalidDataset, read_files
from training.data.patients import encode
from training.data.prepared_images import Records, check_images, digest_of_labelled
from training.fitting.checkpoints import Checkpoints
from training.fitting.stage_plan import planned_stages

_DIGEST = "images"  # the note of what the run began with


def check_all_images(config: Config, split: DataSplit, *, data: Path, checkpoints: Checkpoints) -> None:
    """Decode every image that the run reads, unless an earlier call did, and read what is known of the patients.

    Raises InvalidDataset, which names the images, or the age, that cannot be read; also if the run began with other
    images or labels, because its checkpoints, or its result, are of those.
    """
    images, metadata = images_read(config, split, data=data), data / config.data.metadata
    read_attributes(metadata)
    if config.patients:
        encode(images, metadata, attributes=config.patients.attributes)
    digest, before = digest_of_labelled(images), checkpoints.note(_DIGEST)
    if before is None:
        check_images(images)
        checkpoints.note(_DIGEST, digest)
    elif before != digest:
        raise InvalidDataset(
            f"The images or labels under {data} are not those with which this run began. Put those back, or delete "
            f"{checkpoints.folder} to train again."
        )


def images_read(config: Config, split: DataSplit, *, data: Path) -> Records:
    """The images of the division, extra ones, those of stages with own folders and of pretraining, each file once."""
    records = [record for part in split.splits().values() for record in part]
    records += [*read_extra(config, data), *read_pretraining(config, data)]
    for stage in planned_stages(config).values():
        if stage.images:
            records += read_files(data / config.data.metadata, [data / folder for folder in stage.images])
    return list({record.path: record for record in records}.values())
