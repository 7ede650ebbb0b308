"""Backbones of keras.applications, and files with their weights."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


class MissingWeights(RuntimeError):
    """The weights of a backbone are not on this machine; the message says how to get them."""


def application(class_name: str) -> Callable[[str, int, str | None], keras.Model]:
    """A function (name, size, weights) -> the backbone of keras.applications with this class name.

    It raises MissingWeights if the ImageNet weights are neither in Keras's folder nor can be downloaded.
    """

    def make(name: str, size: int, weights: str | None) -> keras.Model:
        import keras

        build = getattr(keras.applications, class_name)
        try:
            # Keras takes its own name of the model for the file's: it must not be given another one.
            model = build(include_top=False, weights=weights, input_shape=(size, size, 3), pooling=None)
        except Exception as error:  # Keras 3.15 raises plain Exception for a failed download
            if weights != "imagenet" or not _is_download(error):
                raise
            raise MissingWeights(_explain(class_name, name, error)) from error
        model.name = name
        return model

    return make


def load_weights(model: keras.Model, path: Path) -> None:
    """Put the weights of a file that Keras has written into the model. Raises MissingWeights if they do not fit."""
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError, TypeError) as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MissingWeights(f"{path} does not hold the weights of {model.name}: {cause}") from error


def load_scaled(model: keras.Model, path: Path) -> None:
    """The same for EfficientNet B0 to B7, whose ImageNet weights expect pixels divided by the square root of the
    standard deviation: Keras 3.15 adds a layer for that with "imagenet", and none with a file.

    The division goes into the variance of the normalisation layer. A file without ImageNet statistics (mean 0) is left
    as it is.
    """
    import keras
    from keras.src.applications.efficientnet import IMAGENET_STDDEV_RGB

    load_weights(model, path)
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    mean, variance, count = layer.get_weights()
    if mean.any():
        layer.set_weights([mean, variance * IMAGENET_STDDEV_RGB, count])
        layer.finalize_state()


def digest_of_weights(weights: str) -> str:
    """SHA-256 (hex) of the file that `weights` names; "" if it names no file."""
    path = Path(weights)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _is_download(error: Exception) -> bool:
    return isinstance(error, OSError) or "URL fetch failure" in str(error) or "corrupted file" in str(error)


def _explain(class_name: str, name: str, error: Exception) -> str:
    """One line: the file, its hash (of EfficientNets), and where to put it."""
    folder = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "models"
    if not class_name.startswith("EfficientNet"):
        return (
            f"The ImageNet weights of {name} cannot be downloaded ({error}). Put the file into {folder}, or name "
            'one in the configuration: weights = "path/to/file".'
        )
    family = "efficientnet_v2" if "V2" in class_name else "efficientnet"
    source = import_module(f"keras.src.applications.{family}")  # Keras 3.15 keeps the hashes there
    variant = name.rpartition("-")[2]
    file = f"{name if 'V2' in class_name else name.replace('-', '')}_notop.h5"
    return (
        f"The ImageNet weights of {name} cannot be downloaded ({error}). Put {file} (hash "
        f"{source.WEIGHTS_HASHES[_key(source.WEIGHTS_HASHES, variant)][1]}) from {source.BASE_WEIGHTS_PATH}{file} into "
        f'{folder}, or name a file in the configuration: weights = "path/to/file".'
    )


def _key(hashes: dict[str, object], variant: str) -> str:
    return next(key for key in hashes if key.rpartition("-")[2] == variant)
