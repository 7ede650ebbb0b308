"""Is an image like those that the model was trained on? The angle between its features and their main directions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from inference.manifest import Interval, Part

MOST_COMPONENTS = 128


class Trial(Part):
    """Where the line is drawn, and how that does on test images and on photos.

    Shares are of the validation images that stay below the threshold and of the test images beyond it. `auc` compares
    the scores of test images and whole photos that are no dermoscopy. `windows` are those photos and parts of them;
    `confident` are whole photos that stay below the threshold and whose answer is of medium or high confidence.
    """

    threshold: float = Field(gt=0, lt=1)
    validation_kept: float = Field(ge=0, le=1)
    test_flagged: float = Field(ge=0, le=1)
    source: str
    photos: int = Field(ge=1)
    flagged: int = Field(ge=0)
    confident: int = Field(ge=0)
    auc: Interval
    windows: int = Field(ge=1)
    windows_flagged: int = Field(ge=0)
    windows_auc: Interval

    @model_validator(mode="after")
    def _counts(self) -> "Trial":
        if self.flagged + self.confident > self.photos or self.windows_flagged > self.windows:
            raise ValueError("no more photos are counted than there are")
        return self


@dataclass(frozen=True, slots=True)
class Novelty:
    """`components` float16 [d, C], orthonormal rows: the directions that pooled training features lie along."""

    components: NDArray[np.float16]
    trial: Trial

    def is_beyond(self, features: NDArray[np.float32]) -> bool:
        """Whether the views of one image, features float32 [views, h, w, C], are unlike the training images."""
        pooled = features.mean(axis=(1, 2))
        return bool(scores(pooled, self.components).mean() > self.trial.threshold)


def scores(pooled: NDArray[np.floating], components: NDArray[np.floating]) -> NDArray[np.float64]:
    """sin^2 of the angle between features [n, C] and the span of the rows [d, C]: float64 [n], 0 inside, 1 across.

    The share of |x|^2 that the projection loses: null space analysis (Cook, Zare and Gader, arXiv:2007.01263) with
    the span of the main components in place of a layer's row space. An image without any feature gets 1.
    """
    x = pooled.astype(np.float64)
    whole = (x**2).sum(axis=1)
    inside = ((x @ components.astype(np.float64).T) ** 2).sum(axis=1)
    share = np.divide(inside, whole, out=np.zeros_like(whole), where=whole > 0)
    return np.asarray(np.clip(1 - share, 0, 1))
