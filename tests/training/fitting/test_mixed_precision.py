"""Fine-tuning in mixed precision: the dtypes of layers, and small gradients that do not underflow."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.configs import PLATEAU, config_of
from tests.support.drawn_splits import drawn_split
from tests.support.paths import ROOT
from training.config import Config, StageConfig
from training.fitting import trainer
from training.fitting.checkpoints import Checkpoints
from training.fitting.optimiser import ClippedAdamW, ScaledLoss, build_optimiser
from training.fitting.reports import Report, Silent
from training.fitting.stage_progress import History
from training.networks import network as model
from training.networks.network import Network, unfreeze

SPLIT = drawn_split(8)
SILENT = Silent()
LABELS = np.eye(7, dtype=np.float32)[SPLIT.labels]
TUNE = StageConfig(layers=30, epochs=4, learning_rate=2e-4, patience=10)


def mixed(precision: str) -> Config:
    return config_of(optimiser=PLATEAU.model_copy(update={"precision": precision}), fine_tune=TUNE)


class Interrupted(Silent):
    """Ends the training after so many epochs of a stage: a finished stage keeps no state of its optimiser."""

    def __init__(self, *, after: int) -> None:
        self._after = after

    def trained(self, stage: str, history: History, *, first_step: int) -> None:
        if len(history["loss"]) == self._after:
            raise KeyboardInterrupt


def context(network: Network, config: Config, folder: Path, report: Report = SILENT) -> trainer.TrainingContext:
    return trainer.TrainingContext(network, SPLIT, SPLIT, config, Checkpoints(folder), report)


@pytest.mark.parametrize(("precision", "compute", "optimiser"), [
    ("float32", "float32", ClippedAdamW),
    ("mixed_bfloat16", "bfloat16", ClippedAdamW),
    ("mixed_float16", "float16", ScaledLoss),
])  # fmt: skip
def test_fine_tuning_computes_in_16_bits_and_keeps_the_rest_in_32(
    tmp_path: Path, precision: str, compute: str, optimiser: type
) -> None:
    config = mixed(precision)
    network = model.build_for(config)
    unfreeze(network.backbone, TUNE.layers)
    compiled = trainer.compiled(context(network, config, tmp_path), TUNE, steps=1)
    assert type(compiled.optimizer) is optimiser
    assert isinstance(compiled.optimizer, keras.optimizers.LossScaleOptimizer) == (precision == "mixed_float16")
    convolutions = [each for each in network.backbone.layers[-TUNE.layers :] if each.trainable_weights]
    assert convolutions
    assert {layer.compute_dtype for layer in convolutions} == {compute}
    assert {variable.dtype for variable in network.model.weights} == {"float32"}
    assert {each.dtype for each in compiled.optimizer.variables if "momentum" in each.path} == {"float32"}
    outputs = compiled(SPLIT.images)
    assert (network.head.compute_dtype, network.model.get_layer("pool").compute_dtype) == ("float32", "float32")
    assert outputs.dtype == "float32"
    assert compiled.loss(LABELS, keras.ops.cast(outputs, compute)).dtype == "float32"

    history = trainer.fit(context(network, config, tmp_path), TUNE, name=trainer.FINE_TUNE)
    assert history["loss"][-1] < 0.8 * history["loss"][0]


def fit_head(network: Network, margin: float) -> None:
    """Give every image the logit `margin` for its class and 0 for the others: confident and right predictions."""
    pooled = model.respond(network, SPLIT.images).pooled.astype(np.float64)
    kernel = np.linalg.pinv(pooled) @ (margin * LABELS)
    network.head.set_weights([kernel.astype(np.float32), np.zeros(7, np.float32)])


def gradients(network: Network, config: Config, folder: Path) -> NDArray[np.float32]:
    """The gradients of one fine-tuning step on all images, from the optimiser's first moments, a tenth of them."""
    slow = TUNE.model_copy(update={"learning_rate": 1e-12})
    unfreeze(network.backbone, slow.layers)
    compiled = trainer.compiled(context(network, config, folder), slow, steps=1)
    compiled.fit(SPLIT.images, LABELS, batch_size=len(LABELS), verbose=0)
    found = [np.asarray(each).ravel() for each in compiled.optimizer.variables if "momentum" in each.path]
    return np.concatenate(found)


def test_small_gradients_do_not_become_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without loss scaling many gradients of a confident network underflow in float16."""
    single, half = (model.build_for(mixed(precision)) for precision in ("float32", "mixed_float16"))
    for network in (single, half):
        for layer in network.backbone.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        fit_head(network, margin=12)
    expected = gradients(single, mixed("float32"), tmp_path)
    scaled = gradients(half, mixed("mixed_float16"), tmp_path)
    unscaled = PLATEAU.model_copy(update={"precision": "float32"})
    monkeypatch.setattr(trainer, "build_optimiser", lambda _, rate: build_optimiser(unscaled, rate))
    lost = gradients(half, mixed("mixed_float16"), tmp_path)

    alive = expected != 0  # ReLU6 lets nothing through for the others
    assert alive.mean() > 0.2
    # 0.28 to more than 0.3 by processor: kernels differ in when they round to float16, and in subnormal numbers.
    assert (lost[alive] == 0).mean() > 0.1
    assert (scaled[alive] == 0).mean() < 0.02
    cosine = (scaled @ expected) / np.linalg.norm(scaled) / np.linalg.norm(expected)
    assert cosine > 0.99


def test_a_checkpoint_from_before_loss_scaling_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = mixed("mixed_float16")
    network = model.build_for(config)
    stage = StageConfig(layers=0, epochs=3, learning_rate=1e-3, patience=10)
    with monkeypatch.context() as patched:
        unscaled = PLATEAU.model_copy(update={"precision": "float32"})
        patched.setattr(trainer, "build_optimiser", lambda _, rate: build_optimiser(unscaled, rate))
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(context(network, config, tmp_path, Interrupted(after=1)), stage, name=trainer.WARM_UP)
    before = Checkpoints(tmp_path).latest(trainer.WARM_UP)
    with caplog.at_level(logging.WARNING), pytest.raises(KeyboardInterrupt):
        trainer.fit(context(network, config, tmp_path, Interrupted(after=2)), stage, name=trainer.WARM_UP)
    after = Checkpoints(tmp_path).latest(trainer.WARM_UP)
    assert "without loss scaling" in caplog.text
    assert before is not None and after is not None
    assert (before[0].epoch, after[0].epoch) == (1, 2)
    assert len(after[2]) == len(before[2]) + 4  # the scale, the steps since it was changed, and two that are not used
    assert (before[2][0], after[2][4]) == (1, 2)  # steps of AdamW


@pytest.mark.parametrize(("precision", "applied"), [("mixed_float16", 2), ("mixed_bfloat16", 3), ("float32", 3)])
def test_all_devices_skip_a_step_that_is_not_finite_on_one(precision: str, applied: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.two_devices", precision],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    first, second, third = (np.array(each) for each in found["steps"])
    for copies in (first, second, third):
        np.testing.assert_array_equal(copies[0], copies[1])
    # AdamW's first step is the learning rate in the direction of each sign.
    assert first[0] == pytest.approx([0.9, 0.9, 1.0], abs=1e-4)
    assert found["applied"] == applied
    if precision != "mixed_float16":
        assert np.isnan(second).any()  # nothing hides it: the stage's loss tells
        return
    np.testing.assert_array_equal(second, first)
    assert found["scale"] == ScaledLoss(build_optimiser(PLATEAU, 0.1)).initial_scale / 2
    assert (third[0] < second[0]).all()
