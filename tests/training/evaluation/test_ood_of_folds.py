"""The out-of-distribution detector after a cross-validation: its areas compare scores of single networks."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.bundle.out_of_distribution import scores
from inference.imaging.preprocessing import Preprocessing
from training.evaluation.out_of_distribution import Fitted, _evaluate, choose_threshold
from training.networks.network import Responses

pytestmark = pytest.mark.numeric

IMAGES, KEPT = 600, 0.93


def draw_features(strange: NDArray[np.bool_], *, seed: int) -> NDArray[np.float32]:
    """Features of images, of which a network finds those strange; the mean of its scores has another distribution."""
    generator = np.random.default_rng(seed)
    score = np.where(strange, 0.9, 0.1) + generator.uniform(-0.05, 0.05, strange.shape)
    return np.stack([np.sqrt(1 - score), np.sqrt(score)], axis=-1).reshape(len(strange), -1).astype(np.float32)


def one_in_five(count: int, networks: int) -> NDArray[np.bool_]:
    return np.random.default_rng(count).random((count, networks)) < 0.2


def always_the_first_network(count: int, networks: int) -> NDArray[np.bool_]:
    return np.tile(np.arange(networks) == 0, (count, 1))


@pytest.mark.parametrize(("networks", "strange"), [(6, one_in_five), (5, always_the_first_network)])
def test_photos_like_the_test_images_have_an_area_of_one_half(
    networks: int, strange: Callable[[int, int], NDArray[np.bool_]]
) -> None:
    """Each test image was scored by the network that was not trained on it; the flags are those of the joined one.

    A photo has five windows, so that one network of five could get all whole photos.
    """
    asked = []
    components = np.kron(np.eye(networks), [1, 0]).astype(np.float16)  # each network knows the first of its two axes

    def predict(images: NDArray[np.uint8]) -> Responses:
        asked.append(draw_features(strange(len(images), networks), seed=len(asked)))
        return Responses(logits=np.zeros((len(images), 7), np.float32), pooled=asked[-1])

    known = np.zeros(IMAGES)
    fitted = Fitted(components, known, known, KEPT, known > 0, networks)
    held_out = fitted.single_scores(draw_features(strange(IMAGES, networks), seed=99))
    fitted = Fitted(components, held_out, held_out, KEPT, held_out > 0.5, networks)
    evaluation = SimpleNamespace(
        temperature=1.0, test=SimpleNamespace(lesion_ids=np.array([f"HAM_{number}" for number in range(IMAGES)]))
    )
    found = _evaluate(predict, fitted, spec=Preprocessing(size=32, fit="squash"), seed=1, evaluation=evaluation)
    assert (found.photos, found.windows) == (21, 105)
    assert found.auc.value == pytest.approx(0.5, abs=0.15)
    assert found.windows_auc.value == pytest.approx(0.5, abs=0.1)
    joined = scores(asked[0], components)
    assert found.windows_flagged == (joined > choose_threshold(held_out, KEPT)).sum()
