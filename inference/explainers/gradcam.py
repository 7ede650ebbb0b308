"""Grad-CAM and Grad-CAM++ in closed form, for a head that is global average pooling and one dense layer on logits.

With Y_c = sum_k w_kc mean(A_k) + b_c the gradient dY_c/dA_k(i, j) is w_kc / (h w) everywhere, so neither method
needs automatic differentiation. The tests compare both with the textbook formulas by automatic differentiation.
"""

import numpy as np
from numpy.typing import NDArray

from inference.bundle.storage import Head


def grad_cam(features: NDArray[np.float32], head: Head) -> NDArray[np.float32]:
    """Grad-CAM of all classes: relu(sum_k A_k w_kc / (h w)).

    features float32 [n, h, w, C] -> float32 [n, h, w, 7]. Selvaraju et al., ICCV 2017, eq. 1 and 2.
    """
    cells = features.shape[1] * features.shape[2]
    return np.asarray(np.maximum(features @ (head.w / np.float32(cells)), 0))


def grad_cam_plus_plus(features: NDArray[np.float32], head: Head) -> NDArray[np.float32]:
    """Grad-CAM++ of all classes with Y = exp(logit): relu(sum_k A_k relu(w_kc) / (2 + w_kc mean(A_k))).

    features float32 [n, h, w, C] -> float32 [n, h, w, 7]. Chattopadhay et al., WACV 2018, eq. 19; the factor
    exp(logit), the same for a whole map, is left out.
    """
    means = features.mean(axis=(1, 2))[:, :, np.newaxis]
    weights = np.maximum(head.w, 0) / (2 + head.w * means)
    return np.asarray(np.maximum(np.einsum("nhwk,nkc->nhwc", features, weights, optimize=True), 0))
