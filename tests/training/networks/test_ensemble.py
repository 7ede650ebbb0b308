"""Ensembles as one network, and weights rounded to float16."""

from pathlib import Path

import keras
import numpy as np
import pytest

from inference.domain.probability import softmax
from inference.explainers import EXPLAINERS
from inference.runtimes import open_runtime
from tests.support.configs import config_of
from training.backbones import build
from training.bundling.export import export, head_of
from training.config import Config
from training.data.synthetic_lesions import draw_squares
from training.networks import network as model
from training.networks.ensemble import combine, held_out
from training.networks.float16 import halve, rounded
from training.networks.network import Network, respond

pytestmark = pytest.mark.numeric
SIZE = 64


def lively_network(config: Config, seed: int) -> Network:
    """A network whose BatchNorm and head have values as after training."""
    network = model.build(config.model)
    generator = np.random.default_rng(seed)
    for layer in network.backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([each * generator.uniform(0.9, 1.1, each.shape) for each in layer.get_weights()])
    network.head.set_weights([generator.normal(0, 0.05, (1280, 7)), generator.normal(0, 0.1, 7)])
    return network


@pytest.fixture(scope="module")
def networks() -> list[Network]:
    return [lively_network(config_of(size=SIZE), seed) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def joined(networks: list[Network]) -> Network:
    copies = [model.for_export(network, config_of(size=SIZE)) for network in networks]
    return combine(copies, size=SIZE, stored_as="float32")


def test_the_joined_network_answers_with_the_mean(networks: list[Network], joined: Network) -> None:
    images = draw_squares(size=SIZE, count=5)
    alone, together = [respond(network, images) for network in networks], respond(joined, images)
    assert together.logits == pytest.approx(np.mean([each.logits for each in alone], axis=0), abs=1e-4)
    assert together.pooled == pytest.approx(np.hstack([each.pooled for each in alone]), abs=1e-4)
    assert np.abs(alone[0].logits - alone[1].logits).max() > 0.05, "three networks, not one"


def test_held_out_asks_each_images_own_network(networks: list[Network], joined: Network) -> None:
    images, of_image = draw_squares(size=SIZE, count=6), np.array([2, 0, 1, 1, 0, 2])
    own = held_out(respond(joined, images), head=head_of(joined), of_image=of_image, count=3)
    bias = np.mean([network.head.get_weights()[1] for network in networks], axis=0)
    for row, member in enumerate(of_image):
        alone = respond(networks[member], images[row : row + 1])
        expected = alone.logits[0] - networks[member].head.get_weights()[1] + bias
        assert own.logits[row] == pytest.approx(expected, abs=1e-4)
        assert own.pooled[row] == pytest.approx(alone.pooled[0], abs=1e-4)


def test_the_evidence_of_the_joined_network_is_the_mean_of_the_members(
    networks: list[Network], joined: Network
) -> None:
    """Grad-CAM's closed form is linear in the head before the ReLU, so that the ensemble has the mean."""
    image = draw_squares(size=SIZE, count=1)
    features = np.asarray(joined.forward(image)["features"])
    maps = EXPLAINERS["gradcam"](features, head_of(joined))[0]
    w = np.mean([np.asarray(each.forward(image)["features"])[0] @ each.head.get_weights()[0] for each in networks], 0)
    assert maps == pytest.approx(np.maximum(w, 0) / np.prod(features.shape[1:3]), abs=1e-5)


def test_halved_weights_are_float16_and_compute_the_same() -> None:
    network = lively_network(config_of(size=SIZE), 4)
    images = draw_squares(size=SIZE, count=4)
    before = respond(network, images)
    halve(network.backbone)
    for layer in network.backbone.layers:
        if layer.weights and not isinstance(layer, keras.layers.BatchNormalization):
            (kernel,) = layer.get_weights()
            assert (rounded(kernel) == kernel).all()
    after = respond(network, images)
    assert np.abs(softmax(after.logits) - softmax(before.logits)).max() < 0.02
    assert not (after.logits == before.logits).all()


def test_a_backbone_of_other_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a convolution followed by a BatchNorm"):
        halve(build("efficientnet-b0", size=SIZE, weights=None))


def test_a_graph_in_16_bits_computes_what_the_network_does(networks: list[Network], tmp_path: Path) -> None:
    """Export allows a difference of 1e-4 in probability; the file is half as large."""
    config = config_of(size=SIZE, stored_as="float16")
    pair = combine([model.for_export(network, config) for network in networks[:2]], size=SIZE, stored_as="float16")
    bundle = export(pair, tmp_path / "halved", config=config, evaluation=None)
    whole = export(
        model.for_export(networks[0], config_of(size=SIZE)),
        tmp_path / "whole",
        config=config_of(size=SIZE),
        evaluation=None,
    )
    sizes = [(each.path / "graphs/openvino-fp32.bin").stat().st_size for each in (bundle, whole)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)
    images = draw_squares(size=SIZE, count=4)
    answered = open_runtime(bundle).run(images).logits
    assert np.abs(softmax(answered) - softmax(respond(pair, images).logits)).max() < 1e-4
    assert bundle.manifest.head_shape == (2560, 7)
