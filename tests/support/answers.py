"""Made-up predictions for the tests of evaluation."""

import numpy as np

from training.evaluation.predictions import Predictions, from_logits

SHARES = [0.05, 0.1, 0.1, 0.05, 0.2, 0.4, 0.1]


def make_answers(*, count: int = 400, skill: float = 2.0, noise: int = 1, images_a_lesion: int = 2) -> Predictions:
    """Always the same images, lesions and labels; `skill` is how far the true class's logit is lifted."""
    lesions = np.arange(count) // images_a_lesion
    labels = np.random.default_rng(7).choice(7, count, p=SHARES)[lesions]
    logits = np.random.default_rng(noise).normal(0, 1, (count, 7)) + skill * np.eye(7)[labels]
    return from_logits(
        logits.astype(np.float32),
        temperature=1.3,
        image_ids=[f"ISIC_{number:07}" for number in range(count)],
        lesion_ids=[f"HAM_{number:07}" for number in lesions],
        labels=labels,
    )
