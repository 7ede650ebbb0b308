"""Stochastic depth: every block draws its own random numbers, and a frozen block is never skipped."""

from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.configs import PLATEAU, config_of
from tests.support.drawn_splits import drawn_split
from training.config import StageConfig
from training.fitting import trainer
from training.fitting.checkpoints import Checkpoints
from training.fitting.trainer import seed_dropout
from training.networks import network as model
from training.networks.network import Network, frozen_dropout_off, unfreeze

COUNT = 1000


@pytest.fixture(scope="module", params=["efficientnetv2-b0", "efficientnet-lite2"])
def network(request: pytest.FixtureRequest) -> Network:
    return model.build(config_of(request.param, size=32, weights="random", dropout=0.3).model)


def droppers(network: Network) -> list[keras.layers.Dropout]:
    layers = network.backbone.layers
    return [each for each in layers if isinstance(each, keras.layers.Dropout) and each.rate > 0]


def dropped(network: Network, seed: list[int]) -> NDArray[np.bool_]:
    """Which block is skipped for which image: [blocks, COUNT]."""
    images = np.random.default_rng(0).uniform(0, 255, (COUNT, 32, 32, 3)).astype(np.float32)
    seed_dropout(network, seed)
    probe = keras.Model(network.backbone.input, [each.output for each in droppers(network)])
    return np.array([(np.asarray(each) == 0).all(axis=(1, 2, 3)) for each in probe(images, training=True)])


def deviation(probability: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Five standard deviations of a fraction of COUNT images: a correct run exceeds this once in a million."""
    return 5 * np.sqrt(np.asarray(probability * (1 - probability)) / COUNT)


def test_blocks_drop_images_independently_of_each_other(network: Network) -> None:
    found = dropped(network, [3, 1, 0, 0])
    rates = np.array([each.rate for each in droppers(network)])
    assert len(rates) > 10
    assert (np.abs(found.mean(axis=1) - rates) <= deviation(rates)).all()
    nothing = np.prod(1 - rates)
    assert abs((~found.any(axis=0)).mean() - nothing) <= deviation(nothing)
    both, expected = (found[:, None] & found[None]).mean(axis=2), rates[:, None] * rates[None]
    pairs = ~np.eye(len(rates), dtype=bool)
    assert (np.abs(both - expected) <= deviation(expected))[pairs].all()


def test_the_seed_decides_who_drops_what(network: Network) -> None:
    first = dropped(network, [3, 1, 0, 0])
    assert (dropped(network, [3, 1, 0, 0]) == first).all()
    assert (dropped(network, [3, 1, 1, 0]) != first).any(axis=1).all()
    states = {tuple(np.asarray(each.seed_generator.state)) for each in droppers(network)}
    assert len(states) == len(droppers(network))


def test_only_blocks_that_train_are_dropped(network: Network) -> None:
    rates = [each.rate for each in droppers(network)]
    first_of_last = len(network.backbone.layers) - 60
    unfreeze(network.backbone, 60)
    with frozen_dropout_off(network.backbone):
        for position, layer in enumerate(network.backbone.layers):
            if isinstance(layer, keras.layers.Dropout) and position < first_of_last:
                assert layer.rate == 0
        assert rates[: -len(droppers(network))]  # some are off
        assert [each.rate for each in droppers(network)] == rates[-len(droppers(network)) :]
    assert [each.rate for each in droppers(network)] == rates


def test_a_frozen_stage_trains_on_what_the_whole_backbone_says(tmp_path: Path) -> None:
    """Training and validation set are the same images: without dropout the first loss is the validation loss."""
    config = config_of(optimiser=PLATEAU.model_copy(update={"batch": 16}))
    network, split = model.build(config.model), drawn_split(16)
    context = trainer.TrainingContext(network, split, split, config, Checkpoints(tmp_path))
    losses = {}
    for name, layers in ((trainer.WARM_UP, 0), (trainer.FINE_TUNE, len(network.backbone.layers))):
        stage = StageConfig(layers=layers, epochs=1, learning_rate=1e-12, patience=10)
        history = trainer.fit(context, stage, name=name)
        losses[name] = (history["loss"][0], history["val_loss"][0])
    assert losses[trainer.WARM_UP][0] == pytest.approx(losses[trainer.WARM_UP][1], rel=1e-4)
    assert losses[trainer.FINE_TUNE][0] != pytest.approx(losses[trainer.FINE_TUNE][1], rel=1e-3)
