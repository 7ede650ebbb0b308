"""The model that every peer serves: the bundle's own Keras or OpenVINO graph, and the image as people prepare it."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
BUNDLE = Path(os.environ["PEER_BUNDLE"])
GRAPH = os.environ.get("PEER_GRAPH", "keras")  # or openvino-fp32
MANIFEST = json.loads((BUNDLE / "manifest.json").read_text())
SIZE = MANIFEST["preprocessing"]["size"]


def load_keras():
    """The Keras model with its probabilities as the only output."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    both = keras.models.load_model(BUNDLE / MANIFEST["graphs"]["keras"]["path"], compile=False)
    return keras.Model(both.inputs, keras.layers.Softmax()(both.output["logits"]))


def load() -> Callable[[np.ndarray], np.ndarray]:
    """PEER_GRAPH as a function: uint8 [n, s, s, 3] -> probabilities [n, 7]."""
    if GRAPH == "keras":
        model = load_keras()
        return lambda batch: model.predict(batch, verbose=0)
    import openvino as ov

    core = ov.Core()
    model = core.read_model(BUNDLE / MANIFEST["graphs"][GRAPH]["path"])
    model.reshape([1, SIZE, SIZE, 3])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"})

    def run(batch: np.ndarray) -> np.ndarray:
        powers = np.exp(np.concatenate([compiled(image[np.newaxis])["logits"] for image in batch]))
        return powers / powers.sum(axis=1, keepdims=True)

    return run


def decode(data: bytes) -> np.ndarray:
    """An image file -> uint8 [1, s, s, 3]."""
    return squeeze(Image.open(io.BytesIO(data)))


def squeeze(image: Image.Image) -> np.ndarray:
    """A picture -> uint8 [1, s, s, 3]."""
    return np.asarray(image.convert("RGB").resize((SIZE, SIZE)))[np.newaxis]


def answer(probabilities: np.ndarray) -> dict[str, float]:
    """One image's probabilities [7] by class."""
    return {name: float(value) for name, value in zip(CLASSES, probabilities, strict=True)}
