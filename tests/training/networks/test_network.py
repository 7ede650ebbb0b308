import keras
import numpy as np
import pytest

from tests.support.untrained import untrained_network
from training.bundling.export import UnstableHead, export
from training.config import Config
from training.data.synthetic_lesions import draw_squares
from training.networks.network import Network, resized, unfreeze

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def untrained() -> tuple[Config, Network]:
    return untrained_network("efficientnetv2-b0", size=64)


@pytest.fixture
def network(untrained: tuple[Config, Network]) -> Network:
    return untrained[1]


def test_the_logits_follow_from_the_features_and_the_head(network: Network) -> None:
    """The closed-form explanation relies on this."""
    outputs = network.forward(draw_squares(size=64, count=3))
    w, b = network.head.get_weights()
    assert np.asarray(outputs["logits"]) == pytest.approx(
        np.asarray(outputs["features"]).mean(axis=(1, 2)) @ w + b, abs=1e-4
    )
    assert network.head.compute_dtype == "float32"


def test_a_frozen_backbone_does_not_move_not_even_its_statistics(network: Network) -> None:
    unfreeze(network.backbone, 0)
    before = [np.array(weight) for weight in network.backbone.get_weights()]
    outputs = network.model(network.model.input)["logits"]
    trained = keras.Model(network.model.input, outputs)
    trained.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    head = [np.array(weight) for weight in network.head.get_weights()]
    trained.fit(draw_squares(size=64, count=4), np.eye(7)[[0, 1, 2, 3]], epochs=2, verbose=0)
    assert all((a == b).all() for a, b in zip(before, network.backbone.get_weights(), strict=True))
    assert not all((a == b).all() for a, b in zip(head, network.head.get_weights(), strict=True))
    network.head.set_weights(head)


def test_batch_norm_trains_only_where_it_is_told_to(network: Network) -> None:
    layers = network.backbone.layers
    unfreeze(network.backbone, 60, batch_norm=20)
    norms = [isinstance(layer, keras.layers.BatchNormalization) for layer in layers]
    assert any(norms[-60:-20])
    assert any(norms[-20:])
    for place, (layer, norm) in enumerate(zip(layers, norms, strict=True)):
        assert layer.trainable == (place >= len(layers) - (20 if norm else 60))
    unfreeze(network.backbone, 0)


def test_another_size_has_the_same_weights(untrained: tuple[Config, Network]) -> None:
    config, network = untrained
    assert resized(network, config, None) is resized(network, config, 64) is network
    larger = resized(network, config, 96)
    assert larger.model.input_shape[1:3] == (96, 96)
    for one, other in zip(larger.model.get_weights(), network.model.get_weights(), strict=True):
        assert (one == other).all()


def test_a_head_that_grad_cam_cannot_stand_is_not_exported(untrained: tuple[Config, Network], tmp_path) -> None:
    network = untrained[1]
    w, b = network.head.get_weights()
    large = w.copy()
    large[0, 0] = 7.2
    network.head.set_weights([large, b])
    with pytest.raises(UnstableHead, match=r"7\.20"):
        export(network, tmp_path / "bundle", config=untrained[0], evaluation=None)
    network.head.set_weights([w, b])
