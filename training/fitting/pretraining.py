"""Pretraining on another labelled data set. It is done once; all folds and later runs share its checkpoints."""

from __future__ import annotations

import hashlib
from pathlib import Path

from inference.imaging.preprocessing import Preprocessing
from training.backbones.weight_files import digest_of_weights
from training.config import Config
from training.data.extra_images import read_pretraining
from training.data.prepared_images import Records, digest_of_labelled, load_prepared_split
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
    records = read_pretraining(config, data)
    spec = training_spec(config, stage)
    checkpoints = Checkpoints(home / "pretrained" / _identity(config, records, spec))
    smaller = resized(network, config, stage.size)
    images = load_prepared_split(records, spec, cache=home / "prepared")
    context = trainer.TrainingContext(smaller, images, None, config, checkpoints, report)
    with locked(checkpoints.folder, wait=True):
        trainer.fit(context, stage, name=trainer.PRETRAIN)
    copy_weights(smaller, network)


def _identity(config: Config, records: Records, spec: Preprocessing) -> str:
    """A digest of everything that decides the result: equal runs share one folder of checkpoints."""
    settings = config.model_dump_json(include={"seed", "augment", "loss", "optimiser", "pretrain"})
    weights = digest_of_weights(config.model.weights) or config.model.weights
    network = f"{config.model.backbone} {weights} {config.model.dropout}"
    return hashlib.sha256((settings + network + spec.fit + digest_of_labelled(records)).encode()).hexdigest()[:12]
