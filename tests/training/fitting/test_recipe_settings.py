"""Settings of a recipe: averaged weights, schedule per step, accumulation, and how steps are executed."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from tests.support.configs import LOSS, NOTHING, PLATEAU, config_of
from tests.support.drawn_splits import drawn_split
from tests.support.tiny_network import tiny_network
from training.config import Config, OptimiserConfig, SpeedConfig, StageConfig
from training.data.training_batches import TrainingBatches
from training.fitting import disk_space, trainer
from training.fitting.checkpoints import Checkpoints
from training.fitting.cleaning import FINISHED, clean_up
from training.fitting.disk_space import checkpoint_bytes
from training.fitting.optimiser import build_schedule
from training.fitting.reports import Silent
from training.fitting.stage_plan import train_stages
from training.networks.network import Network
from training.tracking.tracked_report import TrackedReport

pytestmark = pytest.mark.numeric
SIZE = 32
TRAIN, VALIDATION = drawn_split(16, size=SIZE), drawn_split(8, size=SIZE)
STAGE = StageConfig(layers=5, epochs=3, learning_rate=0.02, patience=10)


def optimiser(**changes: object) -> OptimiserConfig:
    return PLATEAU.model_copy(update={"batch": 16, "clip": 1e9, "plateau_patience": 99} | changes)


class Watching(Silent):
    """Remembers the weights after each epoch; raises after epoch `until`, as if the process was killed."""

    def __init__(self, network: Network, until: int = 99) -> None:
        self.weights: list[list[np.ndarray]] = []
        self._network, self._until = network, until

    def trained(self, stage: str, history: Any, *, first_step: int) -> None:
        self.weights.append(self._network.model.get_weights())
        if len(history["loss"]) == self._until:
            raise KeyboardInterrupt


def fit(folder: Path, config: Config, *, until: int = 99, seed: int = 1) -> tuple[Network, Watching, dict[str, Any]]:
    network = tiny_network(SIZE, seed)
    watching = Watching(network, until)
    context = trainer.TrainingContext(network, TRAIN, VALIDATION, config, Checkpoints(folder), watching)
    history: dict[str, Any] = {}
    if until < 99:
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(context, STAGE, name=trainer.FINE_TUNE)
    else:
        history = trainer.fit(context, STAGE, name=trainer.FINE_TUNE)
    return network, watching, history


def test_the_average_of_the_weights_is_validated_and_kept_and_training_goes_on_without_it(tmp_path: Path) -> None:
    """One step an epoch: the average follows from the weights of a run without it."""
    plain, average = (config_of(size=SIZE, optimiser=optimiser(ema=ema)) for ema in (None, 0.6))
    _, raw, _ = fit(tmp_path / "plain", plain)
    network, watched, history = fit(tmp_path / "average", average)
    expected = raw.weights[0]
    for weights in raw.weights[1:]:
        expected = [0.6 * old + 0.4 * new for old, new in zip(expected, weights, strict=True)]
    for own, one in zip(watched.weights[-1], raw.weights[-1], strict=True):
        np.testing.assert_allclose(own, one, atol=1e-5)
    for own, other in zip(network.model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5)
    logits = np.asarray(network.forward(VALIDATION.images)["logits"], np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = -np.log(probabilities[np.arange(8), VALIDATION.labels]).mean()
    assert history["val_loss"][-1] == pytest.approx(loss, abs=1e-4)


def test_a_run_with_every_setting_resumes_as_if_it_was_never_killed(tmp_path: Path) -> None:
    settings = optimiser(batch=4, ema=0.9, accumulate=2, schedule="cosine_steps", rise_epochs=0.5, sampling="balanced")
    config = config_of(size=SIZE, optimiser=settings)
    whole, _, history = fit(tmp_path / "whole", config)
    fit(tmp_path / "killed", config, until=2)
    resumed, _, again = fit(tmp_path / "killed", config, seed=7)  # other weights, which the checkpoint replaces
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert again["val_loss"] == pytest.approx(history["val_loss"], abs=1e-5)


def test_the_schedule_rises_and_falls_with_each_step() -> None:
    config = optimiser(schedule="cosine_steps", rise_epochs=1.5)
    rate = build_schedule(config, 0.1, epochs=5, steps=10)
    for step in range(51):
        expected = 0.1 * step / 15 if step < 15 else 0.05 * (1 + math.cos(math.pi * (step - 15) / 35))
        assert float(rate(step)) == pytest.approx(expected, abs=1e-6)
    falling = build_schedule(optimiser(schedule="cosine_steps"), 0.1, epochs=5, steps=10)
    assert [float(falling(step)) for step in (0, 25, 50)] == pytest.approx([0.1, 0.05, 0], abs=1e-6)
    assert build_schedule(optimiser(), 0.1, epochs=5, steps=10) == 0.1


def test_the_learning_rate_of_each_epoch_is_reported(tmp_path: Path) -> None:
    _, _, history = fit(tmp_path, config_of(size=SIZE, optimiser=optimiser(batch=4, schedule="cosine_steps")))
    ends = [0.02 * 0.5 * (1 + math.cos(math.pi * epoch / 3)) for epoch in range(4)]
    means = [(before + after) / 2 for before, after in pairwise(ends)]
    assert history["learning_rate"] == pytest.approx(means, abs=1e-6)


@pytest.mark.parametrize("ema", [None, 0.6])
def test_accumulated_batches_are_one_large_batch(ema: float | None, tmp_path: Path) -> None:
    large, small = (
        fit(
            tmp_path / str(batch),
            config_of(size=SIZE, optimiser=optimiser(batch=batch, accumulate=16 // batch, ema=ema)),
        )[0]
        for batch in (16, 4)
    )
    for one, other in zip(large.model.get_weights(), small.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(
    "speed", [{"xla": "on"}, {"xla": "off", "steps_per_execution": 3}, {"prefetch_to_device": True}]
)
def test_how_steps_are_executed_does_not_change_the_result(speed: dict[str, Any], tmp_path: Path) -> None:
    """Four batches an epoch, which three steps at a time do not divide."""
    results = [
        fit(tmp_path / name, config_of(size=SIZE, optimiser=optimiser(batch=4), speed=settings))
        for name, settings in (("plain", SpeedConfig()), ("fast", SpeedConfig(**speed)))
    ]
    for one, other in zip(*(network.model.get_weights() for network, _, _ in results), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_the_disk_is_compared_with_at_least_what_checkpoints_take(tmp_path: Path) -> None:
    """Sizes after each epoch, and the file that is written beside the latest one."""
    config = config_of(size=SIZE, optimiser=optimiser(ema=0.9, accumulate=2, batch=8))
    network = tiny_network(SIZE)
    estimate = checkpoint_bytes(network, [STAGE], moments=config.optimiser.moments)
    sizes = []

    class Measuring(Silent):
        def trained(self, stage: str, history: Any, *, first_step: int) -> None:
            latest, best = (tmp_path / f"{stage}-{kind}.npz" for kind in ("latest", "best"))
            sizes.append(2 * latest.stat().st_size + best.stat().st_size)

    context = trainer.TrainingContext(network, TRAIN, VALIDATION, config, Checkpoints(tmp_path), Measuring())
    trainer.fit(context, STAGE, name=trainer.FINE_TUNE)
    overhead = 20_000  # of names and headers, which only a tiny network notices
    assert 0.8 * estimate < max(sizes) < estimate + overhead


def test_checkpoints_that_are_there_need_no_more_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_network(SIZE)
    whole = checkpoint_bytes(network, [STAGE])
    asked = []
    monkeypatch.setattr(disk_space, "check_space", lambda home, *, needed: asked.append(needed["checkpoints"]))
    for present in (0, 100, whole, 2 * whole):
        (tmp_path / "warm_up-best.npz").write_bytes(bytes(present))
        disk_space.check_training(tmp_path, network, [STAGE], folder=tmp_path, prepared=0)
    assert asked == [whole, whole - 100, 0, 0]


def test_a_cleaned_run_uses_its_best_weights_again_and_trains_nothing(tmp_path: Path) -> None:
    """As when the bundle of a finished run was lost: the first stage's best weights are deleted, the last's are not."""
    warm_up = StageConfig(layers=0, epochs=2, learning_rate=0.02, patience=10)
    config = config_of(size=SIZE, optimiser=optimiser(), warm_up=warm_up, fine_tune=STAGE)
    checkpoints = Checkpoints(tmp_path / "runs" / "one")
    report = TrackedReport(Mock(), checkpoints, draw=lambda *_: None)

    def train(seed: int) -> tuple[list[np.ndarray], Any]:
        network = tiny_network(SIZE, seed)
        histories = train_stages(
            network, config, load=lambda _: (TRAIN, VALIDATION), checkpoints=checkpoints, report=report
        )
        return network.model.get_weights(), histories

    weights, histories = train(seed=1)
    checkpoints.note(FINISHED, "{}")
    clean_up(tmp_path, everything=False)
    assert not checkpoints.best_path("warm_up").exists()
    kept = checkpoints.best_path("fine_tune").stat().st_mtime_ns
    again, same = train(seed=7)
    assert same == histories
    assert checkpoints.best_path("fine_tune").stat().st_mtime_ns == kept
    for one, other in zip(weights, again, strict=True):
        np.testing.assert_array_equal(one, other)
    checkpoints.best_path("fine_tune").unlink()
    with pytest.raises(FileNotFoundError, match="fine_tune-best"):
        train(seed=7)


def test_crops_of_larger_prepared_images_have_the_size_of_the_network(tmp_path: Path) -> None:
    network = tiny_network(SIZE)
    config = config_of(size=SIZE, augment=NOTHING.model_copy(update={"crop_area": (0.3, 1.0)}))
    context = trainer.TrainingContext(network, drawn_split(8, size=48), None, config, Checkpoints(tmp_path))
    assert trainer.fit(context, STAGE, name=trainer.FINE_TUNE)["loss"]


@pytest.mark.parametrize(("last_batch", "first"), [("keep", None), ("drop", 6), ("fill", 6)])
def test_batches_of_one_size_have_a_static_shape(last_batch: Any, first: int | None) -> None:
    batches = TrainingBatches(TRAIN, NOTHING, batch=6, last_batch=last_batch)
    epoch = batches.epoch([1])
    assert epoch.dataset.element_spec[0].shape[0] == first
    sizes = [len(labels) for _, labels in epoch.dataset]
    assert sizes == {"keep": [6, 6, 4], "drop": [6, 6], "fill": [6, 6, 6]}[last_batch]
    assert (sum(sizes), len(sizes)) == (epoch.images, batches.steps)


@pytest.mark.parametrize(("changes", "cause"), [
    ({"optimiser": optimiser(sampling="balanced"), "loss": LOSS.model_copy(update={"class_weights": "balanced"})},
     'sampling = "balanced" already corrects'),
    ({"optimiser": optimiser(sampling="square_root"), "loss": LOSS.model_copy(update={"logit_adjustment": 1.0})},
     "logit_adjustment = 0"),
    ({"optimiser": optimiser(distribute="mirrored"), "speed": SpeedConfig(prefetch_to_device=True)},
     'prefetch_to_device needs distribute = "none"'),
    ({"optimiser": optimiser().model_dump() | {"rise_epochs": 1}}, 'rise_epochs needs schedule = "cosine_steps"'),
    ({"optimiser": optimiser().model_dump() | {"accumulate": 2, "distribute": "mirrored"}}, "cannot accumulate"),
])  # fmt: skip
def test_settings_that_exclude_each_other_are_refused(changes: dict[str, Any], cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        config_of(**changes)
