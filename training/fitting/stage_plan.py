"""Runs all stages of one network in their order, each at its own image size."""

from __future__ import annotations

from collections.abc import Callable

from inference.imaging.preprocessing import Preprocessing
from training.config import Config, StageConfig
from training.data.prepared_images import PreparedSplit
from training.fitting import trainer
from training.fitting.checkpoints import Checkpoints
from training.fitting.reports import Report
from training.fitting.stage_progress import History
from training.networks.network import Network, copy_weights, resized

# Loads the images of a stage: the training set and, unless there is none, the validation set.
LoadSplits = Callable[[StageConfig], tuple[PreparedSplit, PreparedSplit | None]]


def planned_stages(config: Config) -> dict[str, StageConfig]:
    """The stages of a network by name, in their order; those without epochs are left out."""
    plan = {trainer.WARM_UP: config.warm_up, trainer.FINE_TUNE: config.fine_tune, trainer.FINISH: config.finish}
    return {name: stage for name, stage in plan.items() if stage and stage.epochs}


def stage_spec(config: Config, stage: StageConfig) -> Preprocessing:
    """How images are prepared for the network of a stage."""
    spec = config.model.preprocessing
    return spec.at(stage.size or spec.size)


def training_spec(config: Config, stage: StageConfig) -> Preprocessing:
    """How training images are prepared, from which augmentation takes crops of the network's size."""
    spec = stage_spec(config, stage)
    return spec.at(stage.prepared_size or spec.size)


def train_stages(
    network: Network,
    config: Config,
    *,
    load: LoadSplits,
    checkpoints: Checkpoints,
    report: Report,
    member: int = 0,
) -> dict[str, History]:
    """Train the stages warm_up, fine_tune and finish; stages without epochs are skipped.

    The network gets the weights of the last stage. Returns the history of each stage by name. Raises InvalidDataset,
    Diverged.
    """
    histories: dict[str, History] = {}
    planned = planned_stages(config)
    for number, (name, stage) in enumerate(planned.items(), start=1):
        sized = resized(network, config, stage.size)
        train, validation = load(stage)
        done = sum(len(history["loss"]) for history in histories.values())
        context = trainer.TrainingContext(sized, train, validation, config, checkpoints, report, member, done)
        followed = any(checkpoints.has(later) for later in list(planned)[number:])
        histories[name] = trainer.fit(context, stage, name=name, followed=followed)
        if sized is not network:
            copy_weights(sized, network)
    return histories
