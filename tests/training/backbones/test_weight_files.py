"""Weights from a file, and a network that is closed."""

from pathlib import Path
from urllib.error import URLError

import keras
import numpy as np
import pytest

from training import backbones
from training.backbones.weight_files import MissingWeights

SIZE = 64


def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.float32)


@pytest.mark.parametrize("name", ["efficientnetv2-b0", "efficientnet-lite2"])
@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_a_file_gives_the_network_that_was_saved(name: str, suffix: str, tmp_path: Path) -> None:
    saved = backbones.build(name, size=SIZE, weights=None)
    path = tmp_path / f"backbone{suffix}"
    (saved.save if suffix == ".keras" else saved.save_weights)(path)
    loaded = backbones.build(name, size=SIZE, weights=str(path))
    np.testing.assert_allclose(loaded(images()), saved(images()), atol=1e-5)
    assert loaded.name == name


def test_a_file_of_imagenet_weights_means_the_same_as_imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EfficientNet B0: with "imagenet" Keras divides the pixels once more. The file stands in for Google's."""
    statistics = backbones.build("efficientnet-b0", size=SIZE, weights=None)
    (layer,) = [layer for layer in statistics.layers if isinstance(layer, keras.layers.Normalization)]
    layer.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]) ** 2, np.array(0)])
    path = tmp_path / "efficientnetb0_notop.weights.h5"
    statistics.save_weights(path)
    asked = []

    def give(name: str, origin: str, **_: object) -> str:
        asked.append((name, origin.rpartition("/")[2]))
        return str(path)

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", give)
    by_name = backbones.build("efficientnet-b0", size=SIZE, weights="imagenet")
    assert asked == [("efficientnetb0_notop.h5", "efficientnetb0_notop.h5")]  # as Google calls it
    by_file = backbones.build("efficientnet-b0", size=SIZE, weights=str(path))
    first = [keras.Model(model.input, model.get_layer("stem_conv").output)(images()) for model in (by_name, by_file)]
    np.testing.assert_allclose(first[1], first[0], rtol=1e-4, atol=1e-4)


def test_a_closed_network_is_one_line_with_the_file_its_hash_and_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise URLError("network is unreachable")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", refuse)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for name, file in (
        ("efficientnetv2-b0", "efficientnetv2-b0_notop.h5"),
        ("efficientnet-b4", "efficientnetb4_notop.h5"),
    ):
        with pytest.raises(MissingWeights, match=r"^[^\n]+$") as refused:
            backbones.build(name, size=SIZE, weights="imagenet")
        text = str(refused.value)
        assert f"Put {file} (hash " in text
        assert f"into {tmp_path}/models, or name a file" in text
        assert "network is unreachable" in text


@pytest.mark.parametrize(
    ("content", "cause"), [(None, "unknown weights"), (b"no weights", "does not hold the weights")]
)
def test_a_file_that_is_missing_or_no_weights_is_named(content: bytes | None, cause: str, tmp_path: Path) -> None:
    path = tmp_path / "some.weights.h5"
    if content:
        path.write_bytes(content)
    with pytest.raises(MissingWeights, match=rf"{cause}.*" if not content else rf"some\.weights\.h5 {cause}"):
        backbones.build("efficientnetv2-b0", size=SIZE, weights=str(path))
