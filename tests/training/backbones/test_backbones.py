import subprocess
import sys

import keras
import numpy as np
import pytest

from training import backbones
from training.backbones import BACKBONES
from training.backbones.weight_files import MissingWeights
from training.config import Config
from training.networks.network import Network

# Built but not run: running these two takes as long as running all the others.
LARGE = {"efficientnetv2-m", "efficientnetv2-l"}


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_is_a_flat_graph_from_pixels_to_a_feature_map(name: str) -> None:
    row = BACKBONES[name]
    keras.utils.set_random_seed(3)
    model = backbones.build(name, size=64, weights=None)

    assert (row.name, model.name) == (name, name)
    assert 224 <= row.size <= 480
    assert "arXiv" in row.citation and "Apache-2.0" in row.citation
    assert not [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    assert model.input.shape == (None, 64, 64, 3) and model.input.dtype == "float32"
    assert model.output.shape[:3] == (None, 2, 2) and model.output.dtype == "float32"
    if name in LARGE:
        return

    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    features = np.asarray(model(images, training=False))
    assert features.shape == (2, *model.output.shape[1:]) and features.dtype == np.float32
    assert np.isfinite(features).all()
    # Relative: random weights without batch statistics let the signal of EfficientNet B0-B4 fade to 1e-5.
    assert np.abs(features[0] - features[1]).max() > 0.01 * np.abs(features).max() > 0
    # Pixels enter as 0..255. A stem that saw them unscaled would give values in the thousands.
    stem = keras.Model(model.input, next(each for each in model.layers if isinstance(each, keras.layers.Conv2D)).output)
    assert 0.01 < np.abs(np.asarray(stem(images, training=False))).max() < 20


def test_v2m_has_the_740_layers_that_unfreezing_counts_on(v2m_network: tuple[Config, Network]) -> None:
    config, network = v2m_network
    assert config.model.preprocessing.size == BACKBONES["efficientnetv2-m"].size
    model = network.backbone
    assert len(model.layers) == 740
    assert model.output.shape == (None, 15, 15, 1280)


def test_imagenet_weights_reach_lite2_through_the_table() -> None:
    drawn, trained = (backbones.build("efficientnet-lite2", size=64, weights=w) for w in (None, "imagenet"))
    kernel = [np.asarray(model.get_layer("top_conv").kernel) for model in (drawn, trained)]
    assert np.abs(kernel[0] - kernel[1]).max() > 0.1


def test_an_unknown_name_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(ValueError, match=r"resnet.*efficientnetv2-m.*efficientnet-lite2"):
        backbones.build("resnet", size=64, weights=None)


def test_misspelt_weights_do_not_quietly_become_random_ones() -> None:
    with pytest.raises(MissingWeights, match="imagnet"):
        backbones.build("efficientnet-lite2", size=64, weights="imagnet")


def test_reading_the_table_loads_no_framework() -> None:
    heavy = "{'keras', 'tensorflow', 'torch'}"
    code = f"import sys, training.backbones, training.backbones.efficientnet_lite2; print({heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
