"""Training with a second input: the network learns from the patients, and does without them afterwards."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.configs import PLATEAU, config_of
from tests.support.tiny_network import tiny_network
from training.config import Config, PatientConfig, StageConfig
from training.data.prepared_images import PreparedSplit
from training.fitting import trainer
from training.fitting.checkpoints import Checkpoints
from training.fitting.reports import Report, Silent
from training.fitting.stage_progress import History
from training.networks.network import Network, copy_weights, patients_addition

pytestmark = pytest.mark.numeric
SIZE, COUNT = 32, 56
LABELS = np.arange(COUNT) % 7
IMAGES = np.zeros((COUNT, SIZE, SIZE, 3), np.uint8)  # they say nothing
TOLD = PreparedSplit(IMAGES, LABELS, np.eye(7, dtype=np.float32)[LABELS])  # one attribute tells the class
SEX_AND_AGE = PatientConfig(attributes=("age", "sex"), units=16, drop_probability=0.25)  # seven numbers
STAGE = StageConfig(layers=5, epochs=20, learning_rate=0.05, patience=99)


def told_network(seed: int = 1) -> Network:
    network = tiny_network(SIZE, seed)
    return replace(network, patients=patients_addition(SEX_AND_AGE))


def configured(drop: float = 0.25) -> Config:
    patients = SEX_AND_AGE.model_copy(update={"drop_probability": drop})
    config = config_of(size=SIZE, optimiser=PLATEAU.model_copy(update={"batch": 8, "plateau_patience": 99}))
    return config.model_copy(update={"patients": patients})


class Killing(Silent):
    """Ends the run after its eighth epoch, as if the process was killed."""

    def trained(self, stage: str, history: History, *, first_step: int) -> None:
        if len(history["loss"]) == 8:
            raise KeyboardInterrupt


def train(folder: Path, config: Config, *, seed: int = 1, report: Report | None = None) -> tuple[Network, History]:
    network = told_network(seed)
    validation = PreparedSplit(IMAGES[:14], LABELS[:14])
    context = trainer.TrainingContext(network, TOLD, validation, config, Checkpoints(folder), report or Silent())
    return network, trainer.fit(context, STAGE, name=trainer.FINE_TUNE)


def test_it_learns_from_the_patients_and_is_validated_without_them(tmp_path: Path) -> None:
    network, history = train(tmp_path, configured())
    assert history["accuracy"][0] < 0.6
    assert history["accuracy"][-1] > 0.6, "at most a quarter is hidden; chance is a seventh"
    assert history["val_accuracy"][-1] == pytest.approx(1 / 7, abs=0.01), "images alone say nothing here"
    assert network.patients is not None
    added = network.patients(np.eye(7, dtype=np.float32)).numpy()
    assert (added.argmax(axis=1) == np.arange(7)).all()
    assert not network.patients(np.zeros((1, 7), np.float32)).numpy().any(), "nothing known, nothing added"


def test_from_hidden_patients_it_learns_nothing(tmp_path: Path) -> None:
    network, history = train(tmp_path, configured(drop=1.0))
    assert history["accuracy"][-1] < 0.35
    assert network.patients is not None
    assert not network.patients(np.eye(7, dtype=np.float32)).numpy().any()


def test_a_killed_run_resumes_with_the_same_second_input(tmp_path: Path) -> None:
    whole, history = train(tmp_path / "whole", configured())
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", configured(), report=Killing())
    resumed, again = train(tmp_path / "killed", configured(), seed=5)
    assert whole.patients is not None
    assert resumed.patients is not None
    for one, other in zip(whole.patients.get_weights(), resumed.patients.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert again["loss"] == pytest.approx(history["loss"], abs=1e-4)


def test_weights_are_copied_with_the_second_input_and_to_a_network_without_one() -> None:
    source, target, bare = told_network(1), told_network(2), tiny_network(SIZE, 3)
    assert source.patients is not None
    assert target.patients is not None
    source.patients.set_weights([np.ones_like(array) for array in source.patients.get_weights()])
    copy_weights(source, target)
    copy_weights(source, bare)
    assert all((array == 1).all() for array in target.patients.get_weights())
    for network in (target, bare):
        for one, other in zip(source.model.get_weights(), network.model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
