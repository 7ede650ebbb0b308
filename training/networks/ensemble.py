"""An ensemble of networks of one architecture as one network: concatenated features, mean of the logits.

The mean of linear heads is a linear head on the concatenated features. A closed-form explanation of one network is
therefore also valid for the ensemble.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inference.bundle.storage import Head
from inference.domain.taxonomy import CLASSES
from training.networks.float16 import rounded
from training.networks.network import Network, Responses, traced


def combine(networks: Sequence[Network], *, size: int, stored_as: Literal["float32", "float16"]) -> Network:
    """One network whose features [n, h, w, K C] are those of the K networks in order. It is not for training.

    `size`: the side of its images in pixels. `stored_as`: "float16" rounds the head to float16 values.
    """
    import keras

    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    scaled = keras.layers.Rescaling(1.0, name="to_float")(image)
    for number, network in enumerate(networks, start=1):
        network.backbone.name = f"{network.backbone.name}_{number}"  # Keras needs unique names in a model
    joined = keras.layers.Concatenate(name="features")([network.backbone(scaled) for network in networks])
    backbone = keras.Model(image, joined)
    head = keras.layers.Dense(len(CLASSES), dtype="float32", name="head")
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(joined)
    model = keras.Model(image, {"logits": head(pooled), "features": joined}, name="ensemble")
    weights = [network.head.get_weights() for network in networks]
    w, b = np.concatenate([w for w, _ in weights]) / len(weights), np.mean([b for _, b in weights], axis=0)
    head.set_weights([rounded(w), rounded(b)] if stored_as == "float16" else [w, b])

    return Network(
        model=model, backbone=backbone, head=head, forward=traced(model, size), strategy=networks[0].strategy
    )


def held_out(responses: Responses, *, head: Head, of_image: NDArray[np.int64], count: int) -> Responses:
    """The response to each image of the one network that was not trained on it: logits [n, 7], pooled [n, C].

    `responses`: those of the ensemble of `count` networks with this `head`. `of_image`: int64 [n], the index of each
    image's network. All networks use the mean of their biases, as the head of the ensemble does.
    """
    own = responses.pooled.reshape(len(of_image), count, -1)[np.arange(len(of_image)), of_image]
    heads = count * head.w.reshape(count, -1, len(CLASSES))
    logits = np.einsum("nc,nck->nk", own, heads[of_image]) + head.b
    return Responses(logits=logits.astype(np.float32), pooled=own)
