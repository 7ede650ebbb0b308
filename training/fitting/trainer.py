"""The training loop of one stage."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from inference.progress import long_step
from training.config import Config, OptimiserConfig, StageConfig
from training.data.prepared_images import PreparedSplit
from training.data.training_batches import Epoch, TrainingBatches, validation_batches
from training.fitting.averaging import averaged
from training.fitting.checkpoints import Checkpoints
from training.fitting.divergence import check_finite
from training.fitting.epoch_display import EpochDisplay
from training.fitting.losses import build_loss
from training.fitting.optimiser import build_optimiser, build_schedule
from training.fitting.reports import Report, Silent
from training.fitting.stage_progress import STAGES, History, Progress
from training.networks.network import Network, frozen_dropout_off, unfreeze

WARM_UP, FINE_TUNE, FINISH, PRETRAIN = STAGES

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """What a stage is trained with.

    `report` is told of each epoch after its checkpoint was saved; `first_step` epochs were trained in earlier stages.
    Without `validation` the last epoch counts as the best. `member`: the fold of the network in a cross-validation,
    counted from 0; it changes the random numbers.
    """

    network: Network
    train: PreparedSplit
    validation: PreparedSplit | None
    config: Config
    checkpoints: Checkpoints
    report: Report = field(default_factory=Silent)
    member: int = 0
    first_step: int = 0

    @property
    def weights(self) -> list[Any]:
        """The Keras variables that a checkpoint holds: those of the network, and those of the second input if there is
        one."""
        patients = self.patients
        return [*self.network.model.weights, *(patients.weights if patients else [])]

    @property
    def patients(self) -> keras.Model | None:
        """The network's second input, if training is told something of the patients."""
        return self.network.patients if self.train.patients is not None else None


def fit(context: TrainingContext, stage: StageConfig, *, name: str, followed: bool = False) -> History:
    """Train until the stage is finished, and give the network the weights of the best epoch.

    Training resumes after the last epoch in the checkpoints. The order of images, augmentation and dropout depend on
    seed, stage, epoch and member only, so that a resumed run has the same result as an uninterrupted one. If the stage
    is `followed` by one that has checkpoints, the network may stay without its best weights: `clean` has deleted them.
    Raises Diverged, and keeps the checkpoint before that epoch.
    """
    checkpoint = context.checkpoints.latest(name)
    progress = checkpoint[0] if checkpoint else Progress.start(stage)
    if progress.epoch:
        context.report.trained(name, progress.history, first_step=context.first_step)
    if not progress.finished(stage):
        unfreeze(context.network.backbone, stage.layers, batch_norm=stage.batch_norm)
        with frozen_dropout_off(context.network.backbone):
            progress = _train(context, stage, name=name)
    if progress.epoch:
        best = context.checkpoints.best_path(name)
        if best.is_file() or not followed:
            _assign(context.weights, context.checkpoints.best(name))
        context.checkpoints.prune(name, progress)
        context.report.finished(name, progress.history, best=best)
    return progress.history


def _train(context: TrainingContext, stage: StageConfig, *, name: str) -> Progress:
    optimiser = context.config.optimiser
    batches = training_batches(context)
    model = compiled(context, stage, steps=batches.steps)
    patients = context.patients.input.shape[1] if context.patients else 0
    validation = (
        validation_batches(context.validation, batch=optimiser.batch, patients=patients) if context.validation else None
    )
    progress = _resume(context, name, model) or Progress.start(stage)
    while not progress.finished(stage):
        if optimiser.schedule != "cosine_steps":
            model.optimizer.learning_rate.assign(progress.learning_rate)
        before = _learning_rate(model)
        seed = [context.config.seed, STAGES.index(name), progress.epoch, context.member]
        seed_dropout(context.network, seed)
        words = f"{name}, epoch {progress.epoch + 1} of {stage.epochs}"
        numbers = _fit_epoch(model, batches.epoch(seed), validation=validation, words=words, optimiser=optimiser)
        numbers["learning_rate"] = (before + _learning_rate(model)) / 2
        check_finite(numbers, weights=model.trainable_weights, words=words)
        progress = progress.after(numbers, stage=stage, optimiser=optimiser)
        _save(context, progress, model, name=name)
        context.report.trained(name, progress.history, first_step=context.first_step)
        text = ", ".join(f"{key} {value:.4g}" for key, value in numbers.items())
        log.info("%s: %s", words, text)
    return progress


def _learning_rate(model: keras.Model) -> float:
    (rate,) = _arrays([model.optimizer.learning_rate])  # several devices share a variable that float() does not take
    return float(rate)


def training_batches(context: TrainingContext) -> TrainingBatches:
    """The batches of a stage, at the size of the network's images."""
    config = context.config
    return TrainingBatches(
        context.train,
        config.augment,
        batch=config.optimiser.batch,
        sampling=config.optimiser.sampling,
        last_batch=config.optimiser.last_batch,
        size=context.network.model.input.shape[1],
        device=_device() if config.speed.prefetch_to_device else None,
        drop=config.patients.drop_probability if config.patients else 0.0,
    )


def _device() -> str:
    """The device that computes: the first GPU, or the processor."""
    return "/GPU:0" if tf.config.list_physical_devices("GPU") else "/CPU:0"


def _save(context: TrainingContext, progress: Progress, model: keras.Model, *, name: str) -> None:
    with averaged(model):
        best = _arrays(context.weights)
    raw = _arrays(context.weights) if context.config.optimiser.ema else best
    context.checkpoints.save(name, progress, model=raw, best=best, optimiser=_arrays(model.optimizer.variables))


def _fit_epoch(
    model: keras.Model, epoch: Epoch, *, validation: tf.data.Dataset | None, words: str, optimiser: OptimiserConfig
) -> dict[str, float]:
    """Train one epoch, shown as `words`; returns its numbers."""
    with long_step(words, total=epoch.images) as step:
        display = EpochDisplay(step, images=epoch.images, batch=optimiser.batch)
        history = model.fit(
            epoch.dataset,
            steps_per_epoch=epoch.steps,
            validation_data=validation,
            shuffle=False,  # TrainingBatches has shuffled them
            verbose=0,
            callbacks=[
                keras.callbacks.TerminateOnNaN(),
                display,
                *([keras.callbacks.SwapEMAWeights()] if optimiser.ema else []),  # the average is validated
            ],
        ).history
    numbers = {key: float(values[-1]) for key, values in history.items()}
    return numbers | {"images_per_second": display.images_per_second}


def compiled(context: TrainingContext, stage: StageConfig, *, steps: int) -> keras.Model:
    """A Keras model from image, or image and patient, to logits, compiled for the stage. It shares its variables with
    the network.

    `steps`: the batches of an epoch.
    """
    optimiser, speed = context.config.optimiser, context.config.speed
    rate = build_schedule(optimiser, stage.learning_rate, epochs=stage.epochs, steps=steps)
    with context.network.strategy.scope():
        model = _trained_model(context)
        model.compile(
            optimizer=build_optimiser(optimiser, rate),
            loss=build_loss(context.config.loss, context.train.labels),
            metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
            jit_compile={"auto": "auto", "on": True, "off": False}[speed.xla],
            steps_per_execution=speed.steps_per_execution,
        )
        model.optimizer.build(model.trainable_variables)
    return model


def _trained_model(context: TrainingContext) -> keras.Model:
    image, logits = context.network.model.input, context.network.model.output["logits"]
    addition = context.patients
    if not addition:
        return keras.Model(image, logits)
    return keras.Model([image, addition.input], keras.layers.Add(dtype="float32")([logits, addition.output]))


def _resume(context: TrainingContext, name: str, model: keras.Model) -> Progress | None:
    """Restore network and optimiser from the checkpoint of the stage; None if there is none."""
    checkpoint = context.checkpoints.latest(name)
    if checkpoint is None:
        return None
    progress, arrays, optimiser = checkpoint
    _assign(context.weights, arrays)
    variables = model.optimizer.variables
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer).variables
    if len(optimiser) == len(inner) < len(variables):
        log.warning("%s was started without loss scaling and resumes with it", name)
        variables = inner
    _assign(variables, optimiser)
    log.info("%s resumes after epoch %d", name, progress.epoch)
    return progress


def seed_dropout(network: Network, seed: Sequence[int]) -> None:
    """Seed every Dropout layer with its own state, which depends on the seed and the layer's position.

    Layers with the same state draw the same numbers: with stochastic depth, an image would then skip either all blocks
    that can be skipped, or none.
    """
    layers = [
        layer for layer in (*network.model.layers, *network.backbone.layers) if isinstance(layer, keras.layers.Dropout)
    ]
    for layer, sequence in zip(layers, np.random.SeedSequence(seed).spawn(len(layers)), strict=True):
        if hasattr(layer, "seed_generator"):  # Keras 3.15 makes none for a rate of 0
            layer.seed_generator.state.assign(sequence.generate_state(2))


def _arrays(variables: list[Any]) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(variable) for variable in variables]


def _assign(variables: list[Any], arrays: list[np.ndarray[Any, Any]]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
