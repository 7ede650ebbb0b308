"""Early stopping, plateaus, schedules of the learning rate, and the loss."""

import json
import math

import numpy as np
import pytest

from tests.support.configs import LOSS, PLATEAU
from training.config import OptimiserConfig, StageConfig
from training.fitting.checkpoints import Checkpoints
from training.fitting.losses import build_loss, class_weights
from training.fitting.stage_progress import Progress

STAGE = StageConfig(layers=0, epochs=10, learning_rate=1.0, patience=4)
COSINE = PLATEAU.model_copy(update={"schedule": "cosine"})


def context(losses: list[float], optimiser: OptimiserConfig = PLATEAU) -> list[Progress]:
    steps = [Progress.start(STAGE)]
    for loss in losses:
        steps.append(steps[-1].after({"val_loss": loss}, stage=STAGE, optimiser=optimiser))
    return steps


def test_the_best_epoch_is_remembered() -> None:
    steps = context([3.0, 2.0, 2.5, 1.0, 1.0])
    assert [step.improved for step in steps] == [False, True, True, False, True, False]
    assert (steps[-1].best_loss, steps[-1].best_epoch, steps[-1].waited) == (1.0, 4, 1)
    assert steps[-1].history == {"val_loss": [3.0, 2.0, 2.5, 1.0, 1.0]}


def test_the_rate_is_halved_on_plateaus_and_again_if_they_last() -> None:
    assert [step.learning_rate for step in context([3, 2, 2, 2, 2, 2, 1, 1, 1])] == [
        1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125,
    ]  # fmt: skip


def test_without_validation_the_last_epoch_is_the_best() -> None:
    progress = Progress.start(STAGE)
    for _ in range(3):
        progress = progress.after({"loss": 1.0}, stage=STAGE, optimiser=COSINE)
        assert progress.improved
    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress


def test_a_cosine_ends_at_zero() -> None:
    rates = [step.learning_rate for step in context([1.0] * 10, COSINE)]
    assert rates[0] == 1.0
    assert rates[5] == pytest.approx(0.5)
    assert rates[10] == pytest.approx(0)
    assert rates == sorted(rates, reverse=True)


def test_it_stops_after_its_epochs_or_its_patience() -> None:
    assert [step.finished(STAGE) for step in context([1, 2, 2, 2, 2])] == [False] * 5 + [True]
    assert not context([9 - i for i in range(9)])[-1].finished(STAGE)
    assert context([10 - i for i in range(10)])[-1].finished(STAGE)


def test_not_a_number_is_never_the_best() -> None:
    step = context([1.0, math.nan])[-1]
    assert (step.best_loss, step.best_epoch) == (1.0, 1)


def test_progress_survives_as_json() -> None:
    for step in context([3.0, 2.0, 2.5]):
        assert Progress.from_json(json.loads(json.dumps(step.to_json()))) == step


def test_checkpoints_keep_latest_and_best(tmp_path) -> None:
    checkpoints = Checkpoints(tmp_path / "run")
    assert checkpoints.latest("warm_up") is None
    for number, step in enumerate(context([3.0, 2.0, 2.5])[1:]):
        model = [np.full(3, number), np.array(7)]
        checkpoints.save("warm_up", step, model=model, best=model, optimiser=[np.array(number)])
    progress, model, optimiser = Checkpoints(tmp_path / "run").latest("warm_up")
    assert progress.epoch == 3
    assert [array.tolist() for array in model] == [[2, 2, 2], 7]
    assert [array.tolist() for array in optimiser] == [2]
    assert checkpoints.best("warm_up")[0].tolist() == [1, 1, 1]
    assert checkpoints.note("mlflow_run") is None
    checkpoints.note("mlflow_run", "abc")
    assert Checkpoints(tmp_path / "run").note("mlflow_run") == "abc"


def test_logit_adjustment_is_the_loss_with_the_priors_added() -> None:
    """Logits of 0 with the adjustment give the prior itself, so that the gradient prefers no class."""
    labels = np.repeat(np.arange(7), [10, 20, 30, 5, 15, 100, 20])
    loss = build_loss(LOSS.model_copy(update={"logit_adjustment": 1.0}), labels)
    found = np.asarray(loss(np.eye(7, dtype=np.float32), np.zeros((7, 7), np.float32)))
    assert found == pytest.approx(-np.log(np.bincount(labels) / 200), rel=1e-5)
    plain = build_loss(LOSS, labels)
    assert np.asarray(plain(np.eye(7, dtype=np.float32), np.zeros((7, 7), np.float32))) == pytest.approx(np.log(7))


def test_class_weights_balance_the_loss_of_soft_labels() -> None:
    from training.config import LossConfig

    labels = np.array([0] * 10 + [5] * 90)
    weights = class_weights(labels, "balanced")
    assert weights[0] * 10 == pytest.approx(weights[5] * 90)
    assert (class_weights(labels, "none") == 1).all()
    config = LossConfig(
        kind="cross_entropy", label_smoothing=0, class_weights="balanced", focal_gamma=2, focal_alpha=0.25
    )
    logits = np.array([[1.0, 0, 0, 0, 0, 2, 0]], np.float32)
    soft = np.array([[0.3, 0, 0, 0, 0, 0.7, 0]], np.float32)
    log_p = logits - np.log(np.exp(logits).sum())
    expected = (0.3 * weights[0] + 0.7 * weights[5]) * -(soft * log_p).sum()
    assert float(np.asarray(build_loss(config, labels)(soft, logits))[0]) == pytest.approx(expected, rel=1e-5)


def test_focal_loss_cares_for_the_hard_ones() -> None:
    from training.config import LossConfig

    base = {"label_smoothing": 0, "class_weights": "none", "focal_gamma": 2, "focal_alpha": 0.25}
    truth = np.eye(7, dtype=np.float32)[[0, 0]]
    logits = np.zeros((2, 7), np.float32)
    logits[0, 0], logits[1, 1] = 5, 5  # right and wrong
    plain, focal = (
        np.asarray(build_loss(LossConfig(kind=kind, **base), np.array([0, 1]))(truth, logits))
        for kind in ("cross_entropy", "focal")
    )
    p = np.exp(-plain)
    assert focal == pytest.approx(0.25 * (1 - p) ** 2 * plain, rel=1e-4)
