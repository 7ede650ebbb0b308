"""Pretraining on another labelled data set. It is done once; all folds and later runs share its checkpoints."""

from __future__ import annotations

import hashlib
from pathlib import Path

from training.backbones.weight_files import digest_of_weights
from training.config import Config, PretrainConfig
from training.data.ham10000 import read_rows
from training.data.label_table import read_labels
from training.data.prepared_images import Records, digest_of, load_prepared_split
from training.fitting import trainer
from training.fitting.checkpoints import Checkpoints
from training.fitting.reports import Report
from training.fitting.run_lock import locked
from training.fitting.stage_plan import training_spec
from training.networks.network import Network, copy_weights, resized


def pretrain(network: Network, config: Config, *, data: Path, home: Path, report: Report) -> None:
    """Train the network on the images of `config.pretrain`, if there is such a section; resumes an earlier run.

    Waits while another process does the same. Raises InvalidDataset, Diverged.
    """
    stage = config.pretrain
    if stage is None:
        return
    records = read_pretraining(stage, data)
    spec = training_spec(config, stage)
    checkpoints = Checkpoints(home / "pretrained" / _identity(config, stage, records))
    smaller = resized(network, config, stage.size)
    images = load_prepared_split(records, spec, cache=home / "prepared")
    context = trainer.TrainingContext(smaller, images, None, config, checkpoints, report)
    with locked(checkpoints.folder, wait=True):
        trainer.fit(context, stage, name=trainer.PRETRAIN)
    copy_weights(smaller, network)


def read_pretraining(stage: PretrainConfig, data: Path) -> Records:
    """The records of the images on which a network is pretrained. Raises InvalidDataset."""
    records = read_labels(data / stage.labels, data / stage.images[0])
    if stage.without is None:
        return records
    kept_back = {row["image_id"] for row in read_rows(data / stage.without, columns=("image_id",))}
    return tuple(record for record in records if record.image_id not in kept_back)


def _identity(config: Config, stage: PretrainConfig, records: Records) -> str:
    """A digest of everything that decides the result: equal runs share one folder of checkpoints."""
    settings = config.model_copy(update={"pretrain": stage}).model_dump_json(
        include={"seed", "augment", "loss", "optimiser", "pretrain"}
    )
    weights = digest_of_weights(config.model.weights) or config.model.weights
    network = f"{config.model.backbone} {weights} {config.model.dropout}"
    return hashlib.sha256((settings + network + digest_of(records)).encode()).hexdigest()[:12]
