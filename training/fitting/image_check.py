"""Finds images that cannot be read before hours of training, not after them."""

from __future__ import annotations

from pathlib import Path

from training.config import Config
from training.data.data_split import DataSplit
from training.data.extra_images import read_extra
from training.data.ham10000 import read_files
from training.data.prepared_images import Records, check_images, digest_of
from training.fitting.checkpoints import Checkpoints
from training.fitting.pretraining import read_pretraining
from training.fitting.stage_plan import planned_stages


def check_all_images(config: Config, split: DataSplit, *, data: Path, checkpoints: Checkpoints) -> None:
    """Decode every image that the run reads, unless an earlier call did. Raises InvalidDataset, which names the bad."""
    images = images_read(config, split, data=data)
    digest = digest_of(images)
    if checkpoints.note("checked") != digest:
        check_images(images)
        checkpoints.note("checked", digest)


def images_read(config: Config, split: DataSplit, *, data: Path) -> Records:
    """The images of the division, extra ones, those of stages with own folders and of pretraining, each file once."""
    records = [record for part in split.splits().values() for record in part]
    records += read_extra(config, data)
    for stage in planned_stages(config).values():
        if stage.images:
            records += read_files(data / config.data.metadata, [data / folder for folder in stage.images])
    if config.pretrain:
        records += read_pretraining(config.pretrain, data)
    return list({record.path: record for record in records}.values())
