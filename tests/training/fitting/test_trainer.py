"""Which layers a stage trains, distribution over devices, and resuming a killed run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.support.configs import PLATEAU, config_of
from tests.support.drawn_splits import drawn_split
from tests.support.paths import ROOT
from tests.support.small_runs import PRECISIONS
from tests.support.waiting import LIMIT_S
from training.config import Config, StageConfig
from training.fitting import trainer
from training.fitting.checkpoints import Checkpoints
from training.fitting.divergence import Diverged
from training.fitting.optimiser import build_optimiser
from training.networks import network as model
from training.networks.network import Network, unfreeze


@pytest.fixture
def v2m(v2m_network: tuple[Config, Network]) -> Network:
    return v2m_network[1]


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


@pytest.mark.numeric
def test_statistics_do_not_move_and_one_batch_can_be_learnt(tmp_path: Path) -> None:
    config = config_of(
        optimiser=PLATEAU.model_copy(update={"plateau_patience": 60}),
        fine_tune=StageConfig(layers=60, epochs=16, learning_rate=2e-4, patience=60),
    )
    keras.utils.set_random_seed(3)
    network = model.build(config.model)
    split = drawn_split(8)
    norms = [layer for layer in network.backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = [np.asarray(weight) for layer in norms for weight in layer.weights]
    history = trainer.fit(
        trainer.TrainingContext(network, split, split, config, Checkpoints(tmp_path)),
        config.fine_tune,
        name=trainer.FINE_TUNE,
    )
    after = [np.asarray(weight) for layer in norms for weight in layer.weights]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
    assert history["val_accuracy"][-1] == pytest.approx(1)
    assert history["val_loss"][-1] < 0.1 * history["val_loss"][0]


def test_a_loss_that_is_no_number_stops_the_stage_before_its_checkpoint(tmp_path: Path) -> None:
    config = config_of(warm_up=StageConfig(layers=0, epochs=3, learning_rate=1e38, patience=10))
    context = trainer.TrainingContext(
        model.build(config.model), drawn_split(16), drawn_split(8), config, Checkpoints(tmp_path)
    )
    with pytest.raises(Diverged, match=r"warm_up, epoch 1 of 3: .*loss.* \(learning rate 1e\+38\)"):
        trainer.fit(context, config.warm_up, name=trainer.WARM_UP)
    assert not list(tmp_path.glob("*.npz"))


def test_weight_decay_spares_biases_and_batch_norm(v2m: Network) -> None:
    optimiser = build_optimiser(PLATEAU.model_copy(update={"weight_decay": 0.5}), 0.1)
    unfreeze(v2m.backbone, 300)
    optimiser.build(v2m.model.trainable_weights)
    decayed = {weight.path for weight in v2m.model.trainable_weights if optimiser._use_weight_decay(weight)}
    assert decayed
    assert not [path for path in decayed if path.endswith(("bias", "gamma", "beta"))]
    assert "head/kernel" in decayed


def test_mixed_precision_does_not_leak_and_is_exported_in_float32() -> None:
    mixed = config_of(optimiser=PLATEAU.model_copy(update={"precision": "mixed_float16"}))
    network = model.build_for(mixed)
    assert network.backbone.get_layer("top_conv").compute_dtype == "float16"
    assert keras.config.dtype_policy().name == "float32"
    single = model.for_export(network, mixed)
    assert single.backbone.get_layer("top_conv").compute_dtype == "float32"
    for one, other in zip(single.model.get_weights(), network.model.get_weights(), strict=True):
        assert (one == other).all()


def start(how: str, folder: Path, *precision: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.small_runs", how, str(folder), *precision],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> dict[str, dict]:
    output, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    return dict(json.loads(output.splitlines()[-1]))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict], dict[str, dict]]:
    """A folder of uninterrupted runs and of runs that were stopped and resumed, and the histories of both."""
    folder = tmp_path_factory.mktemp("runs")
    whole, stopped = (start(how, folder / how) for how in ("whole", "stopped"))
    _, errors = stopped.communicate(timeout=LIMIT_S)
    assert stopped.returncode == -signal.SIGKILL, errors
    for precision in PRECISIONS:
        latest = Checkpoints(folder / "stopped" / precision).latest("fine_tune")
        assert latest
        assert latest[0].epoch == 2
    return folder, finish(whole), finish(start("whole", folder / "stopped"))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_resumed_run_has_the_result_of_an_uninterrupted_one(
    runs: tuple[Path, dict[str, dict], dict[str, dict]], precision: str
) -> None:
    """Ended in the third epoch of the second stage; the next process goes on after the second."""
    folder, whole, resumed = runs[0], runs[1][precision], runs[2][precision]
    assert {stage: history.keys() for stage, history in resumed.items()} == {
        stage: history.keys() for stage, history in whole.items()
    }
    for stage, history in whole.items():
        for name, values in history.items():
            if name == "images_per_second":
                continue
            # Without the optimiser's state an accuracy was 0.06 in place of 0.19.
            assert resumed[stage][name] == pytest.approx(values, abs=1e-4), f"{stage} {name}"
    assert len(whole["fine_tune"]["val_loss"]) == 3
    ends = [Checkpoints(folder / name / precision).latest("fine_tune") for name in ("whole", "stopped")]
    for one, other in zip(ends[0][1] + ends[0][2], ends[1][1] + ends[1][2], strict=True):
        # The optimiser's state, too, and in it the scale of the loss.
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("precision", "within"), [("float32", 1e-4), ("mixed_float16", 0.02)])
def test_two_devices_give_the_loss_of_one(tmp_path: Path, precision: str, within: float) -> None:
    processes = [start(kind, tmp_path / kind, precision) for kind in ("single", "mirrored")]
    one, two = [finish(process)[precision] for process in processes]
    for stage in ("warm_up", "fine_tune"):
        assert two[stage]["loss"] == pytest.approx(one[stage]["loss"], abs=within)
        assert two[stage]["val_loss"] == pytest.approx(one[stage]["val_loss"], abs=within)
