"""Explainers: class maps from one forward pass, behind one protocol and in one table; heat maps drawn from them."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.bundle.storage import Head
from inference.explainers.gradcam import grad_cam, grad_cam_plus_plus

Method = Literal["gradcam++", "gradcam"]


class Explainer(Protocol):
    """features float32 [n, h, w, C], head -> class maps float32 [n, h, w, 7], >= 0, unscaled."""

    def __call__(self, features: NDArray[np.float32], head: Head) -> NDArray[np.float32]: ...


EXPLAINERS: dict[Method, Explainer] = {
    "gradcam++": grad_cam_plus_plus,
    "gradcam": grad_cam,
}
