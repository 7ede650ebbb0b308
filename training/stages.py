"""The stages of training are calls of one fit()."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from training.checkpoint import Checkpoints
from training.config import Config, StageConfig
from training.dataset import Part, TrainingBatches, validation_batches
from training.losses import build_loss
from training.model import Network, unfreeze
from training.optimiser import build_optimiser
from training.progress import History, Progress

WARM_UP, FINE_TUNE, FINISH, PRETRAIN = STAGES = ("warm_up", "fine_tune", "finish", "pretrain")

log = logging.getLogger(__name__)


Report = Callable[[str, int, dict[str, float]], None]


def silent(stage: str, epoch: int, numbers: dict[str, float]) -> None:
    """Reports to nobody."""


@dataclass(frozen=True, slots=True)
class Course:
    """Everything the stages share. `report` is told each epoch's numbers as soon as they are there.

    Without validation images the last epoch counts as the best. `member` is the network's number among those of a
    cross-validation.
    """

    network: Network
    train: Part
    validation: Part | None
    config: Config
    checkpoints: Checkpoints
    report: Report = silent
    member: int = 0


def fit(course: Course, stage: StageConfig, *, name: str) -> History:
    """Train until the stage is finished, going on after the last finished epoch, and keep the best weights.

    Order, augmentation and dropout depend on seed, stage and epoch alone, so that a run that was killed ends like one
    that was not.
    """
    unfreeze(course.network.backbone, stage.layers, batch_norm=stage.batch_norm)
    model = compiled(course, stage)
    batches = TrainingBatches(course.train, course.config)
    batch = course.config.optimiser.batch
    validation = validation_batches(course.validation, batch=batch) if course.validation else None
    progress = _resume(course, name, model) or Progress.start(stage)
    while not progress.finished(stage):
        model.optimizer.learning_rate.assign(progress.learning_rate)
        seed = [course.config.seed, STAGES.index(name), progress.epoch, course.member]
        _seed_dropout(course.network, seed)
        numbers = model.fit(
            batches.epoch(seed),
            validation_data=validation,
            shuffle=False,  # the batches come shuffled
            verbose=0,
        ).history
        progress = progress.after(
            {key: float(values[-1]) for key, values in numbers.items()} | {"learning_rate": progress.learning_rate},
            stage=stage,
            optimiser=course.config.optimiser,
        )
        last = {key: values[-1] for key, values in progress.history.items()}
        course.report(name, progress.epoch, last)
        course.checkpoints.save(
            name, progress, model=_arrays(course.network.model.weights), optimiser=_arrays(model.optimizer.variables)
        )
        shown = ", ".join(f"{key} {value:.4g}" for key, value in last.items())
        log.info("%s %d/%d: %s", name, progress.epoch, stage.epochs, shown)
    if progress.epoch:
        _assign(course.network.model.weights, course.checkpoints.best(name))
    return progress.history


def compiled(course: Course, stage: StageConfig) -> keras.Model:
    """The network from image to logits, ready to train; shares its variables with the network."""
    with course.network.strategy.scope():
        model = keras.Model(course.network.model.input, course.network.model.output["logits"])
        model.compile(
            optimizer=build_optimiser(course.config.optimiser, stage.learning_rate),
            loss=build_loss(course.config.loss, course.train.labels),
            metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        )
        model.optimizer.build(model.trainable_variables)
    return model


def _resume(course: Course, name: str, model: keras.Model) -> Progress | None:
    found = course.checkpoints.latest(name)
    if found is None:
        return None
    progress, arrays, optimiser = found
    _assign(course.network.model.weights, arrays)
    _assign(model.optimizer.variables, optimiser)
    log.info("%s goes on after epoch %d", name, progress.epoch)
    return progress


def _seed_dropout(network: Network, seed: list[int]) -> None:
    state = np.random.SeedSequence(seed).generate_state(2).astype(np.uint32)
    for layer in (*network.model.layers, *network.backbone.layers):
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
            layer.seed_generator.state.assign(state)


def _arrays(variables: list[Any]) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(variable) for variable in variables]


def _assign(variables: list[Any], arrays: list[np.ndarray[Any, Any]]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
