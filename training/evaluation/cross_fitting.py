"""Cross-fitting: whatever is fitted to answers is measured on answers that it was not fitted to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.predictions import Predictions


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Predictions to fit to, and predictions for other images to measure on; probabilities calibrated alike.

    A split gives one part: validation and test set. Folds give one part each: the other folds, and the fold.
    """

    calibration: Predictions
    test: Predictions


def together(parts: Sequence[Part]) -> Predictions:
    """The test predictions of all parts, in the order of the parts."""
    tests = [part.test for part in parts]
    return Predictions(
        *(
            np.concatenate([getattr(test, name) for test in tests])
            for name in ("image_ids", "lesion_ids", "labels", "probabilities", "logits")
        )
    )
