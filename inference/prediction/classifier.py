"""Image bytes -> prediction and class maps, in three steps: prepare, run, analyse."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from inference.bundle.storage import Bundle
from inference.domain.graph_names import RequestedPrecision
from inference.domain.prevalence import Prevalence
from inference.domain.probability import softmax
from inference.domain.risk import ConfidenceLevel, RiskLevel, confidence_level, malignant_probability, risk_level
from inference.domain.taxonomy import CLASSES
from inference.explainers.class_maps import ClassMap, ExplanationRequest, class_maps
from inference.explainers.heatmap import MAX_SIDE, canvas, reduce
from inference.imaging import test_time_augmentation
from inference.imaging.decoding import MAX_PIXELS
from inference.imaging.dicom_origin import DicomOrigin
from inference.imaging.image_quality import QualityWarning
from inference.imaging.prepared_picture import Preparation, PreparedPicture, prepare_picture
from inference.imaging.preprocessing import Box
from inference.runtimes import Outputs, Runtime, open_runtime

WarningCode = (
    Literal[
        "untrained_model",
        "first_frame_only",
        "low_resolution",
        "out_of_distribution",
        "no_positive_evidence",
        "stale_model",
    ]
    | QualityWarning
)

# With these the probabilities, and with them the level of risk, mean nothing.
UNRELIABLE: frozenset[WarningCode] = frozenset({"untrained_model", "out_of_distribution"})
ENLARGED = 2  # an image that was enlarged by more than this factor has less detail than the training images


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image ready for the model: `batch` uint8 [views, size, size, 3] are views of the picture's square."""

    picture: PreparedPicture
    batch: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The model's result for one image. `probabilities` float64 [7], calibrated, in taxonomy order, sum 1.

    `measured_accuracy` is the share of right answers among the test images whose answer had a similar probability;
    None if the bundle has no such curve, if the prediction is not reliable, or if it was re-weighted.

    `prevalence` is the mix of classes that the probabilities were re-weighted for, None if they are the bundle's own.
    The malignant score and its level are never re-weighted: the share of malignant lesions that a level finds does not
    depend on how many there are. `calibrated_malignant` is the calibrated probability that belongs to the score, at
    the mix of the bundle's test images; None too if the probabilities were re-weighted, which it would contradict.
    `sets` are the prediction sets by coverage. Both are None if the bundle cannot tell, or if the prediction is not
    reliable.
    """

    probabilities: NDArray[np.float64]
    malignant_probability: float
    risk: RiskLevel
    confidence: ConfidenceLevel
    warnings: tuple[WarningCode, ...]
    measured_accuracy: float | None = None
    prevalence: Prevalence | None = None
    calibrated_malignant: float | None = None
    sets: Mapping[float, tuple[str, ...]] | None = None

    @property
    def reliable(self) -> bool:
        """False if a warning says that the answer means nothing."""
        return UNRELIABLE.isdisjoint(self.warnings)

    @property
    def code(self) -> str:
        """The predicted class."""
        return CLASSES[int(self.probabilities.argmax())]

    def with_warning(self, code: WarningCode) -> Self:
        """A copy with one more warning."""
        return replace(self, warnings=(*self.warnings, code))


@dataclass(frozen=True, slots=True)
class Analysis:
    """A prediction and the class maps that were requested, possibly none.

    `width`, `height` and `field_of_view` are pixels of the upright image; `picture` uint8 RGB [h, w, 3] is that image,
    reduced to the size of the largest PNGs; [0, 0, 3] if it was prepared without one.
    """

    prediction: Prediction
    maps: tuple[ClassMap, ...]
    width: int
    height: int
    field_of_view: Box
    picture: NDArray[np.uint8]
    origin: DicomOrigin | None = None

    def with_warning(self, code: WarningCode) -> Self:
        """A copy with one more warning."""
        return replace(self, prediction=self.prediction.with_warning(code))


def make_views(picture: PreparedPicture, tta: test_time_augmentation.ViewCount) -> Prepared:
    """The batch of `tta` views of a picture."""
    return Prepared(picture, test_time_augmentation.make_views(picture.square, tta))


class Classifier:
    """A bundle and the runtime that executes it. Every step except `run` is safe to call from several threads."""

    def __init__(self, bundle: Bundle, runtime: Runtime, prevalence: Prevalence | None = None) -> None:
        """`prevalence`: the mix of classes to re-weight for; ignored if the bundle has no calibrated likelihoods."""
        self.bundle = bundle
        self.runtime = runtime
        self._likelihoods = bundle.uncertainty.likelihoods if bundle.uncertainty and prevalence else None
        self.prevalence = prevalence if self._likelihoods else None

    @classmethod
    def open(
        cls,
        bundle: Bundle,
        *,
        runtime: str = "auto",
        precision: RequestedPrecision = "auto",
        prevalence: Prevalence | None = None,
    ) -> "Classifier":
        """Load the graph, warm it up and verify the golden cases. Raises RuntimeUnavailable, GoldenMismatch."""
        return cls(bundle, open_runtime(bundle, name=runtime, precision=precision), prevalence)

    def prepare(
        self,
        data: bytes,
        *,
        tta: test_time_augmentation.ViewCount = 1,
        side: int = MAX_SIDE,
        max_pixels: int = MAX_PIXELS,
    ) -> Prepared:
        """Decode an image file and make `tta` views of it, in this process. Raises ImageError.

        Heat maps need a picture; `side` is its longest side in pixels, 0 if there will be none.
        """
        return make_views(prepare_picture(data, self.preparation(side=side, max_pixels=max_pixels)), tta)

    def preparation(self, *, side: int, max_pixels: int) -> Preparation:
        """What this model needs of an image; see `prepare`."""
        return Preparation(self.bundle.manifest.preprocessing, side=side, max_pixels=max_pixels)

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """Execute the graph: uint8 [n, size, size, 3] -> Outputs. This is the expensive step."""
        return self.runtime.run(batch)

    def predict(self, prepared: Prepared, outputs: Outputs) -> Prediction:
        """Average the calibrated probabilities over the views, and derive risk, confidence and warnings."""
        own = softmax(outputs.logits, self.bundle.manifest.temperature).mean(axis=0)
        probabilities, malignant = self._reweighted(own, outputs), malignant_probability(own)
        warnings = self._warnings(prepared.picture, outputs)
        prediction = Prediction(
            probabilities=probabilities,
            malignant_probability=malignant,
            risk=risk_level(malignant, self.bundle.manifest.thresholds),
            confidence=confidence_level(float(probabilities.max())),
            warnings=warnings,
            prevalence=self.prevalence,
        )
        return self._with_what_is_known(prediction, own) if prediction.reliable else prediction

    def _reweighted(self, own: NDArray[np.float64], outputs: Outputs) -> NDArray[np.float64]:
        if self._likelihoods is None or self.prevalence is None:
            return own
        return np.asarray(self._likelihoods.posterior(outputs.logits, self.prevalence).mean(axis=0))

    def _with_what_is_known(self, prediction: Prediction, own: NDArray[np.float64]) -> Prediction:
        """The prediction with what the bundle measured of such answers; `own`: the bundle's probabilities [7]."""
        known, at_home = self.bundle.uncertainty, self.prevalence is None
        curves = self.bundle.curves if at_home else None
        calibration = known.malignancy if known and at_home else None
        return replace(
            prediction,
            measured_accuracy=curves.calibrated.accuracy_near(float(own.max())) if curves else None,
            calibrated_malignant=calibration.probability(prediction.malignant_probability) if calibration else None,
            sets=known.prediction_sets.of(own, served=prediction.probabilities) if known else None,
        )

    def _warnings(self, picture: PreparedPicture, outputs: Outputs) -> tuple[WarningCode, ...]:
        manifest, ood_detector = self.bundle.manifest, self.bundle.ood_detector
        warnings: list[WarningCode] = []
        if not manifest.trained:
            warnings.append("untrained_model")
        if picture.more_frames:
            warnings.append("first_frame_only")
        if ENLARGED * min(picture.field_of_view.width, picture.field_of_view.height) < manifest.preprocessing.size:
            warnings.append("low_resolution")
        warnings.extend(picture.quality_warnings)
        if ood_detector and ood_detector.is_beyond(outputs.features):
            warnings.append("out_of_distribution")
        return tuple(warnings)

    def analyse(self, prepared: Prepared, outputs: Outputs, explanation: ExplanationRequest | None = None) -> Analysis:
        """The prediction and, from the same outputs, the class maps of the request; without a request no maps."""
        prediction, picture = self.predict(prepared, outputs), prepared.picture
        maps = self._explain(picture, outputs, explanation, code=prediction.code) if explanation else ()
        if any(class_map.peak <= 0 for class_map in maps):
            prediction = prediction.with_warning("no_positive_evidence")
        size = (picture.width, picture.height)
        return Analysis(prediction, maps, *size, picture.field_of_view, picture.canvas, picture.origin)

    def _explain(
        self, picture: PreparedPicture, outputs: Outputs, explanation: ExplanationRequest, *, code: str
    ) -> tuple[ClassMap, ...]:
        """Draw the class maps; `code` is the predicted class, which is explained if the request names no class."""
        on = canvas(width=picture.width, height=picture.height, view=picture.field_of_view, side=explanation.side)
        return class_maps(
            outputs.features,
            head=self.bundle.head,
            rgb=reduce(picture.canvas, on=on),
            on=on,
            request=replace(explanation, targets=explanation.targets or (code,)),
        )
