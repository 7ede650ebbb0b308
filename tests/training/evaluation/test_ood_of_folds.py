"""The out-of-distribution detector after a cross-validation: its areas compare scores of single networks."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.bundle.out_of_distribution import scores
from inference.imaging.preprocessing import Preprocessing
from training.evaluation.out_of_distribution import Fitted, _evaluate, choose_threshold
from training.networks.network import Responses

pytestmark = pytest.mark.numeric

NETWORKS, IMAGES, KEPT = 6, 600, 0.93
COMPONENTS = np.kron(np.eye(NETWORKS), [1, 0]).astype(np.float16)  # each network knows the first of its two axes


def draw_features(count: int, *, seed: int) -> NDArray[np.float32]:
    """Features of which each network finds one in five strange: the mean of its scores has another distribution."""
    generator = np.random.default_rng(seed)
    strange = generator.random((count, NETWORKS)) < 0.2
    score = np.where(strange, 0.9, 0.1) + generator.uniform(-0.05, 0.05, (count, NETWORKS))
    return np.stack([np.sqrt(1 - score), np.sqrt(score)], axis=-1).reshape(count, -1).astype(np.float32)


def test_photos_like_the_test_images_have_an_area_of_one_half() -> None:
    """Each test image was scored by the network that was not trained on it; the flags are those of the joined one."""
    asked = []

    def predict(images: NDArray[np.uint8]) -> Responses:
        asked.append(draw_features(len(images), seed=len(asked)))
        return Responses(logits=np.zeros((len(images), 7), np.float32), pooled=asked[-1])

    known = np.zeros(IMAGES)
    fitted = Fitted(COMPONENTS, known, known, KEPT, known > 0, NETWORKS)
    held_out = fitted.single_scores(draw_features(IMAGES, seed=99))
    fitted = Fitted(COMPONENTS, held_out, held_out, KEPT, held_out > 0.5, NETWORKS)
    evaluation = SimpleNamespace(
        temperature=1.0, test=SimpleNamespace(lesion_ids=np.array([f"HAM_{number}" for number in range(IMAGES)]))
    )
    found = _evaluate(predict, fitted, spec=Preprocessing(size=32, fit="squash"), seed=1, evaluation=evaluation)
    assert (found.photos, found.windows) == (21, 105)
    assert found.auc.value == pytest.approx(0.5, abs=0.15)
    assert found.windows_auc.value == pytest.approx(0.5, abs=0.1)
    joined = scores(asked[0], COMPONENTS)
    assert found.windows_flagged == (joined > choose_threshold(held_out, KEPT)).sum()
