"""The closed forms against the textbook formulas by automatic differentiation, on a real EfficientNetV2 graph."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.bundle.storage import Head
from inference.domain.taxonomy import CLASSES
from inference.explainers import EXPLAINERS
from tests.support.needs_tensorflow import tf
from tests.support.untrained import untrained_network
from training.data.synthetic_lesions import draw_squares

pytestmark = pytest.mark.numeric
AGREEMENT = 1e-5


@pytest.fixture(scope="module")
def network() -> tuple[Head, NDArray[np.float32]]:
    """A random head of standard deviation 0.05 and the features of three drawn images from EfficientNetV2-B0."""
    backbone = untrained_network("efficientnetv2-b0", size=128)[1].backbone
    features = np.asarray(backbone(draw_squares(size=128, count=3).astype(np.float32), training=False))
    generator = np.random.default_rng(7)
    w = generator.normal(0, 0.05, (features.shape[-1], len(CLASSES)))
    return Head(w.astype(np.float32), generator.normal(0, 0.05, len(CLASSES)).astype(np.float32)), features


def textbook_grad_cam(features: NDArray[np.float32], head: Head, target: int) -> NDArray[np.float64]:
    """Selvaraju et al. 2017: weights are the pooled gradients of the logit."""
    with tf.GradientTape() as tape:
        a = tf.constant(features, tf.float64)
        tape.watch(a)
        logit = tf.linalg.matvec(tf.cast(head.w, tf.float64), tf.reduce_mean(a, [1, 2]), transpose_a=True)[:, target]
    weights = tf.reduce_mean(tape.gradient(logit, a), [1, 2])
    return tf.nn.relu(tf.einsum("nhwk,nk->nhw", a, weights)).numpy()


def textbook_grad_cam_plus_plus(features: NDArray[np.float32], head: Head, target: int) -> NDArray[np.float64]:
    """Chattopadhay et al. 2018, eq. 19, with Y = exp(S): its derivatives are those of S times Y, no epsilon."""
    with tf.GradientTape() as tape:
        a = tf.constant(features, tf.float64)
        tape.watch(a)
        pooled = tf.linalg.matvec(tf.cast(head.w, tf.float64), tf.reduce_mean(a, [1, 2]), transpose_a=True)
        logit = pooled[:, target] + float(head.b[target])
    g = tape.gradient(logit, a)
    y = tf.exp(logit)[:, None, None, None]
    first, second, third = y * g, y * g**2, y * g**3
    alpha = second / (2 * second + tf.reduce_sum(a, [1, 2], keepdims=True) * third)
    weights = tf.reduce_sum(alpha * tf.nn.relu(first), [1, 2])
    return tf.nn.relu(tf.einsum("nhwk,nk->nhw", a, weights)).numpy()


ORACLES = {"gradcam": textbook_grad_cam, "gradcam++": textbook_grad_cam_plus_plus}


def normalised(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    maps = maps.astype(np.float64)
    return maps / maps.max(axis=(1, 2), keepdims=True)


@pytest.mark.parametrize("target", range(len(CLASSES)), ids=CLASSES)
@pytest.mark.parametrize("method", EXPLAINERS)
def test_equals_the_textbook(network: tuple[Head, NDArray[np.float32]], method: str, target: int) -> None:
    head, features = network
    expected = ORACLES[method](features, head, target)
    got = EXPLAINERS[method](features, head)[..., target]
    assert (expected.max(axis=(1, 2)) > 0).all()
    assert np.abs(normalised(got) - normalised(expected)).max() < AGREEMENT


def test_the_methods_differ(network: tuple[Head, NDArray[np.float32]]) -> None:
    head, features = network
    one, other = (EXPLAINERS[method](features, head)[..., 0] for method in ("gradcam", "gradcam++"))
    assert np.abs(normalised(one) - normalised(other)).max() > 0.01


@pytest.mark.parametrize("method", EXPLAINERS)
def test_every_explainer_keeps_its_promise(network: tuple[Head, NDArray[np.float32]], method: str) -> None:
    """The contract of the table: shapes, dtype, sign, and no influence of an image's neighbours."""
    head, features = network
    together = EXPLAINERS[method](features, head)
    assert together.shape == (*features.shape[:3], len(CLASSES))
    assert together.dtype == np.float32
    assert together.min() >= 0
    alone = np.concatenate([EXPLAINERS[method](one[np.newaxis], head) for one in features])
    assert np.abs(together - alone).max() <= 1e-5 * together.max()
