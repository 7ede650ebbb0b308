"""What trains, what does not, and that a run which was killed ends like one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from inference.image import Preprocessing
from tests.configs import PLATEAU, config_of
from tests.running import ROOT
from training import model, stages
from training.checkpoint import Checkpoints
from training.config import ModelConfig, StageConfig
from training.dataset import Part
from training.drawn import draw_squares
from training.model import Network, unfreeze
from training.optimiser import build_optimiser


def drawn_part(count: int = 8, size: int = 64) -> Part:
    return Part(draw_squares(size=size, count=count), np.arange(count) % 7)


@pytest.fixture(scope="module")
def v2m() -> Network:
    spec = Preprocessing(size=480, fit="squash")
    return model.build(ModelConfig(backbone="efficientnetv2-m", weights="random", dropout=0.3, preprocessing=spec))


def test_v2m_warm_up_trains_the_head_alone(v2m: Network) -> None:
    unfreeze(v2m.backbone, 0)
    assert sum(int(np.prod(weight.shape)) for weight in v2m.model.trainable_weights) == 8_967
    assert {weight.path.split("/")[0] for weight in v2m.model.trainable_weights} == {"head"}


def test_v2m_fine_tuning_trains_the_last_300_layers_but_no_batch_norm(v2m: Network) -> None:
    unfreeze(v2m.backbone, 300)
    layers = v2m.backbone.layers
    assert len(layers) == 740
    norm = keras.layers.BatchNormalization
    assert all(layer.trainable == (i >= 440 and not isinstance(layer, norm)) for i, layer in enumerate(layers))
    trained = {id(weight) for weight in v2m.model.trainable_weights}
    expected = [weight for layer in layers[440:] if not isinstance(layer, norm) for weight in layer.weights]
    assert trained == {id(weight) for weight in (*expected, *v2m.head.weights)}
    assert layers[440].name.startswith("block6d")
    assert v2m.backbone.get_layer("block6d_expand_conv").trainable is False


def test_statistics_do_not_move_and_one_batch_can_be_learnt(tmp_path: Path) -> None:
    config = config_of(
        optimiser=PLATEAU.model_copy(update={"plateau_patience": 60}),
        fine_tune=StageConfig(layers=60, epochs=16, learning_rate=2e-4, patience=60),
    )
    network = model.build(config.model)
    part = drawn_part(8)
    norms = [layer for layer in network.backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = [np.asarray(weight) for layer in norms for weight in layer.weights]
    history = stages.fit(
        stages.Course(network, part, part, config, Checkpoints(tmp_path)), config.fine_tune, name=stages.FINE_TUNE
    )
    after = [np.asarray(weight) for layer in norms for weight in layer.weights]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
    assert history["val_accuracy"][-1] == 1.0
    assert history["val_loss"][-1] < 0.1 * history["val_loss"][0]


def test_weight_decay_spares_biases_and_batch_norm(v2m: Network) -> None:
    optimiser = build_optimiser(PLATEAU.model_copy(update={"weight_decay": 0.5}), 0.1)
    unfreeze(v2m.backbone, 300)
    optimiser.build(v2m.model.trainable_weights)
    decayed = {weight.path for weight in v2m.model.trainable_weights if optimiser._use_weight_decay(weight)}
    assert decayed
    assert not [path for path in decayed if path.endswith(("bias", "gamma", "beta"))]
    assert "head/kernel" in decayed


def test_mixed_precision_keeps_the_head_in_float32(tmp_path: Path) -> None:
    mixed = config_of(optimiser=PLATEAU.model_copy(update={"precision": "mixed_float16"}))
    network = model.build_for(mixed)
    assert network.backbone.get_layer("top_conv").compute_dtype == "float16"
    assert network.head.compute_dtype == "float32"
    assert network.model.output["logits"].dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"  # the policy does not leak
    part = drawn_part(8)
    history = stages.fit(
        stages.Course(network, part, part, mixed, Checkpoints(tmp_path)), mixed.warm_up, name=stages.WARM_UP
    )
    assert np.isfinite(history["loss"]).all()
    single = model.for_export(network, mixed)
    assert single.backbone.get_layer("top_conv").compute_dtype == "float32"
    for one, other in zip(single.model.get_weights(), network.model.get_weights(), strict=True):
        assert (one == other).all()


SCRIPT = """
import json, sys
from pathlib import Path
import keras, tensorflow as tf
if sys.argv[2] != "cpu":
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.configs import EVERYTHING, NOTHING, config_of
from tests.training.test_stages import drawn_part
from training import model, stages
from training.checkpoint import Checkpoints
from training.config import StageConfig
keras.utils.set_random_seed(3)
tf.config.experimental.enable_op_determinism()
alone = sys.argv[2] != "mirrored"
config = config_of(
    augment=EVERYTHING if sys.argv[2] == "cpu" else NOTHING,
    dropout=0.2 if sys.argv[2] == "cpu" else 0.0,
    warm_up=StageConfig(layers=0, epochs=2, learning_rate=1e-4, patience=10),
    fine_tune=StageConfig(layers=30, epochs=4 if sys.argv[2] == "cpu" else 1, learning_rate=1e-4, patience=10),
)
strategy = None if alone else tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
network = model.build(config.model, strategy=strategy)
for layer in network.backbone.layers if sys.argv[2] != "cpu" else ():
    if isinstance(layer, keras.layers.Dropout):
        layer.rate = 0.0  # each device draws its own
course = stages.Course(network, drawn_part(32), drawn_part(16), config, Checkpoints(Path(sys.argv[1])))
print("ready", flush=True)
plan = {"warm_up": config.warm_up, "fine_tune": config.fine_tune}
print(json.dumps({name: stages.fit(course, stage, name=name) for name, stage in plan.items()}))
"""


def start(folder: Path, kind: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), kind],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> dict:
    output, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1])


def test_killed_in_the_middle_it_ends_like_one_that_was_not(tmp_path: Path) -> None:
    """kill -9 in the second stage; the second process goes on after the last finished epoch."""
    whole = finish(start(tmp_path / "whole", "cpu"))
    killed = start(tmp_path / "killed", "cpu")
    deadline = time.monotonic() + 120
    while (found := Checkpoints(tmp_path / "killed").latest("fine_tune")) is None or found[0].epoch < 2:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    progress = Checkpoints(tmp_path / "killed").latest("fine_tune")[0]
    assert 2 <= progress.epoch < 4
    assert finish(start(tmp_path / "killed", "cpu")) == whole
    assert len(whole["fine_tune"]["val_loss"]) == 4


def test_two_devices_give_the_loss_of_one(tmp_path: Path) -> None:
    one, two = [finish(process) for process in [start(tmp_path / kind, kind) for kind in ("single", "mirrored")]]
    for stage in ("warm_up", "fine_tune"):
        assert two[stage]["loss"] == pytest.approx(one[stage]["loss"], abs=1e-4)
        assert two[stage]["val_loss"] == pytest.approx(one[stage]["val_loss"], abs=1e-4)
