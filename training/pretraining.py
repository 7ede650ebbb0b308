"""A stage on other labelled images, before the run's own: done once, and shared by every fold and every later run."""

from __future__ import annotations

import hashlib
from pathlib import Path

from training import stages
from training.checkpoint import Checkpoints
from training.config import Config, PretrainConfig
from training.dataset import Records, digest_of, load_part
from training.labels import read_labels
from training.model import Network, resized


def pretrain(network: Network, config: Config, *, data: Path, home: Path, report: stages.Report) -> None:
    """Train the network on the images of `config.pretrain`, going on where an earlier run stopped.

    Raises InvalidDataset.
    """
    stage = config.pretrain
    if stage is None:
        return
    records = read_labels(data / stage.labels, data / stage.images[0])
    spec = config.model.preprocessing.model_copy(update={"size": stage.size})
    checkpoints = Checkpoints(home / "pretrained" / _identity(config, stage, records))
    smaller = resized(network, config, stage.size)
    part = load_part(records, spec, cache=home / "prepared")
    course = stages.Course(smaller, part, None, config, checkpoints, report)
    stages.fit(course, stage, name=stages.PRETRAIN)
    network.model.set_weights(smaller.model.get_weights())


def _identity(config: Config, stage: PretrainConfig, records: Records) -> str:
    settings = config.model_copy(update={"pretrain": stage}).model_dump_json(
        include={"seed", "augment", "loss", "optimiser", "pretrain"}
    )
    network = f"{config.model.backbone} {config.model.weights} {config.model.dropout}"
    return hashlib.sha256((settings + network + digest_of(records)).encode()).hexdigest()[:12]
