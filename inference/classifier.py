"""From bytes to a prediction and its explanation, in three steps: prepare, run, and predict or explain."""

from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from inference import image, views
from inference.bundle import Bundle
from inference.explanation import ClassMap, Question, class_maps
from inference.heatmap import canvas, reduce
from inference.image import Box
from inference.probability import softmax
from inference.quality import Flaw, find_flaws
from inference.risk import ConfidenceLevel, RiskLevel, confidence_level, malignant_probability, risk_level
from inference.runtimes import Outputs, Runtime, Wanted, open_runtime
from inference.taxonomy import CLASSES

WarningCode = (
    Literal[
        "untrained_model",
        "first_frame_only",
        "low_resolution",
        "out_of_distribution",
        "no_positive_evidence",
        "stale_model",
    ]
    | Flaw
)

ENLARGED = 2  # an image that had to grow by more than this shows less detail than the model learnt from


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image ready for the model: `batch` uint8 [views, size, size, 3].

    `picture` uint8 RGB is the upright image at the size that heat maps are drawn in, so that a waiting request holds
    little memory; `width`, `height` and `field_of_view` are pixels of the image as it was uploaded; `flaws` are of what
    the model sees.
    """

    batch: NDArray[np.uint8]
    picture: NDArray[np.uint8]
    width: int
    height: int
    field_of_view: Box
    more_frames: bool
    flaws: tuple[Flaw, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one image. `probabilities` float64 [7], calibrated, in taxonomy order, sum 1."""

    probabilities: NDArray[np.float64]
    malignant_probability: float
    risk: RiskLevel
    confidence: ConfidenceLevel
    warnings: tuple[WarningCode, ...]

    @property
    def code(self) -> str:
        """The predicted class."""
        return CLASSES[int(self.probabilities.argmax())]

    def warned(self, code: WarningCode) -> Self:
        """With one more warning."""
        return replace(self, warnings=(*self.warnings, code))


@dataclass(frozen=True, slots=True)
class Explanation:
    """A prediction and its class maps. `width`, `height` and `field_of_view` are pixels of the upright image;
    `picture` uint8 RGB is that image at the size of the class maps.
    """

    prediction: Prediction
    maps: tuple[ClassMap, ...]
    width: int
    height: int
    field_of_view: Box
    picture: NDArray[np.uint8]

    def warned(self, code: WarningCode) -> Self:
        """With one more warning."""
        return replace(self, prediction=self.prediction.warned(code))


class Classifier:
    """A bundle and the runtime that executes it. Every step but `run` may be called from many threads."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self.bundle = bundle
        self.runtime = runtime

    @classmethod
    def open(cls, bundle: Bundle, *, runtime: str = "auto", precision: Wanted = "auto") -> "Classifier":
        """Load, warm up and verify. Raises RuntimeUnavailable, GoldenMismatch."""
        return cls(bundle, open_runtime(bundle, name=runtime, precision=precision))

    def prepare(self, data: bytes, *, tta: views.Views = 1, max_pixels: int = image.MAX_PIXELS) -> Prepared:
        """Decode an image file and spread it to `tta` views. Raises ImageError."""
        spec = self.bundle.manifest.preprocessing
        picture = image.decode(data, max_pixels=max_pixels)
        height, width = picture.rgb.shape[:2]
        view = image.field_of_view(width=width, height=height, spec=spec)
        square = image.fit(picture.rgb, spec)
        return Prepared(
            batch=views.spread(square, tta),
            picture=reduce(picture.rgb, on=canvas(width=width, height=height, view=view)),
            width=width,
            height=height,
            field_of_view=view,
            more_frames=picture.more_frames,
            flaws=find_flaws(square),
        )

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """uint8 [n, size, size, 3] -> Outputs; the one expensive step."""
        return self.runtime.run(batch)

    def predict(self, prepared: Prepared, outputs: Outputs) -> Prediction:
        """Calibrate, and average over the views."""
        manifest = self.bundle.manifest
        probabilities = softmax(outputs.logits, manifest.temperature).mean(axis=0)
        malignant = malignant_probability(probabilities)
        return Prediction(
            probabilities=probabilities,
            malignant_probability=malignant,
            risk=risk_level(malignant, manifest.thresholds),
            confidence=confidence_level(float(probabilities.max())),
            warnings=self._warnings(prepared, outputs),
        )

    def _warnings(self, prepared: Prepared, outputs: Outputs) -> tuple[WarningCode, ...]:
        manifest, novelty = self.bundle.manifest, self.bundle.novelty
        warnings: list[WarningCode] = []
        if not manifest.trained:
            warnings.append("untrained_model")
        if prepared.more_frames:
            warnings.append("first_frame_only")
        if ENLARGED * min(prepared.field_of_view.width, prepared.field_of_view.height) < manifest.preprocessing.size:
            warnings.append("low_resolution")
        warnings.extend(prepared.flaws)
        if novelty and novelty.is_beyond(outputs.features):
            warnings.append("out_of_distribution")
        return tuple(warnings)

    def explain(self, prepared: Prepared, outputs: Outputs, question: Question) -> Explanation:
        """The prediction and the class maps asked for, from the same outputs."""
        prediction = self.predict(prepared, outputs)
        on = canvas(width=prepared.width, height=prepared.height, view=prepared.field_of_view, side=question.side)
        maps = class_maps(
            outputs.features,
            head=self.bundle.head,
            rgb=reduce(prepared.picture, on=on),
            on=on,
            question=replace(question, targets=question.targets or (prediction.code,)),
        )
        if any(each.peak <= 0 for each in maps):
            prediction = replace(prediction, warnings=(*prediction.warnings, "no_positive_evidence"))
        return Explanation(prediction, maps, prepared.width, prepared.height, prepared.field_of_view, prepared.picture)
