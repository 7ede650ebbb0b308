"""Out-of-distribution detection by the angle between an image's features and the span of the training features."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from inference.bundle.evaluation_curves import Roc
from inference.bundle.manifest import Interval, StrictModel

MAX_COMPONENTS = 128


class FarKind(StrictModel):
    """One kind of images that are no dermoscopy and chose neither score nor threshold.

    `auc`: area under the ROC curve, test images against these; both scored by single networks. `flagged`: share above
    the threshold, scored as the model is served. `roc`: that curve, with these images as the positive ones; None in
    bundles that were made before it was kept.
    """

    source: str
    images: int = Field(ge=1)
    auc: Interval
    flagged: Interval
    roc: Roc | None = None


class FarEvaluation(StrictModel):
    """The detector on images far from dermoscopy, by kind.

    `false_flags`: share of the test images above a threshold that was chosen on other images.
    """

    false_flags: Interval
    kinds: dict[str, FarKind] = Field(min_length=1)


class OodEvaluation(StrictModel):
    """The detector's threshold, and its results on test images and on photos that are not dermoscopic.

    `validation_kept` and `test_flagged` are shares: validation images below the threshold, test images above it. Of
    `photos`, `flagged` are above the threshold; `confident` are below it and predicted with medium or high confidence.
    `auc` is the area under the ROC curve of the scores, test images against photos, both scored by single networks (in
    the starter, the photos by all together). The `windows_` fields repeat this for the photos together with their
    corners as images of their own. `far`: results on images that chose nothing; None in bundles that were made before
    it was measured.
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
    far: FarEvaluation | None = None

    @model_validator(mode="after")
    def _counts(self) -> "OodEvaluation":
        if self.flagged + self.confident > self.photos or self.windows_flagged > self.windows:
            raise ValueError("more photos or windows are counted than there are")
        return self


@dataclass(frozen=True, slots=True)
class OodDetector:
    """`components` float16 [d, C]: orthonormal rows, the main directions of the training images' mean features."""

    components: NDArray[np.float16]
    evaluation: OodEvaluation
    _basis: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Convert once: half precision to double took longer than the product, for each image."""
        object.__setattr__(self, "_basis", self.components.astype(np.float64))

    def is_beyond(self, features: NDArray[np.float32]) -> bool:
        """Whether the mean score of one image's views, features float32 [views, h, w, C], is above the threshold."""
        pooled = features.mean(axis=(1, 2))
        return bool(scores(pooled, self._basis).mean() > self.evaluation.threshold)


def scores(pooled: NDArray[np.floating], components: NDArray[np.floating]) -> NDArray[np.float64]:
    """sin^2 of the angle between mean features [n, C] and the span of the rows [d, C]: float64 [n], 0 to 1.

    This is the share of the squared norm that the projection on the span removes: null space analysis (Cook, Zare and
    Gader, arXiv:2007.01263), with the main components in place of a layer's row space. Zero features give 1.
    """
    x = pooled.astype(np.float64)
    squared_norm = (x**2).sum(axis=1)
    projected = ((x @ components.astype(np.float64, copy=False).T) ** 2).sum(axis=1)
    share = np.divide(projected, squared_norm, out=np.zeros_like(squared_norm), where=squared_norm > 0)
    return np.asarray(np.clip(1 - share, 0, 1))
