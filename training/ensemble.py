"""Several networks of one architecture as one: their features side by side, the mean of their logits.

The mean of linear heads is a linear head on the joined features, so whatever explains one network in closed form
explains all of them together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.bundle import Head
from inference.taxonomy import CLASSES
from training.config import Config
from training.halving import rounded
from training.model import Network, Responses, traced


def combine(networks: Sequence[Network], config: Config) -> Network:
    """One network whose features [n, h, w, K C] are those of the K networks in order; nothing of it will train."""
    import keras

    size = config.model.preprocessing.size
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    scaled = keras.layers.Rescaling(1.0, name="to_float")(image)
    for number, network in enumerate(networks, start=1):
        network.backbone.name = f"{network.backbone.name}_{number}"  # Keras wants different names in one model
    joined = keras.layers.Concatenate(name="features")([network.backbone(scaled) for network in networks])
    backbone = keras.Model(image, joined)
    head = keras.layers.Dense(len(CLASSES), dtype="float32", name="head")
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(joined)
    model = keras.Model(image, {"logits": head(pooled), "features": joined}, name="ensemble")
    weights = [network.head.get_weights() for network in networks]
    w, b = np.concatenate([w for w, _ in weights]) / len(weights), np.mean([b for _, b in weights], axis=0)
    head.set_weights([rounded(w), rounded(b)] if config.stored_as == "float16" else [w, b])

    return Network(
        model=model, backbone=backbone, head=head, forward=traced(model, size), strategy=networks[0].strategy
    )


def held_out(responses: Responses, *, head: Head, of_image: NDArray[np.int64], count: int) -> Responses:
    """What each image is given by the one network that was not trained on it: logits [n, 7], pooled [n, C].

    `responses` are those of all `count` networks together, `of_image` [n] names each image's network. All share the
    mean of their biases, as in the joined head.
    """
    own = responses.pooled.reshape(len(of_image), count, -1)[np.arange(len(of_image)), of_image]
    heads = count * head.w.reshape(count, -1, len(CLASSES))
    logits = np.einsum("nc,nck->nk", own, heads[of_image]) + head.b
    return Responses(logits=logits.astype(np.float32), pooled=own)
