"""What the model does not know (uncertainty.json): how its answers are turned into sets and calibrated risks.

Everything in it was fitted to, or cross-fitted and measured on, the images that the manifest's metrics come from.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from inference.bundle.evaluation_curves import Reliability
from inference.bundle.manifest import Interval, StrictModel
from inference.bundle.prediction_sets import PredictionSets
from inference.domain.prevalence import Prevalence
from inference.domain.probability import softmax
from inference.domain.taxonomy import CLASSES

LEAST_SCORE = 1e-6  # log odds of a score are taken within this distance of 0 and 1


class Likelihoods(StrictModel):
    """Calibrated posterior of every class: softmax(slope * logits + offsets), at the mix of classes `prior`.

    Fitted by maximum likelihood (bias-corrected temperature scaling: Alexandari, Kundaje, Shrikumar, ICML 2020), which
    label shift needs. `error`: expected calibration error on cross-fitted images.
    """

    slope: float = Field(gt=0)
    offsets: tuple[float, ...] = Field(min_length=len(CLASSES), max_length=len(CLASSES))
    prior: tuple[float, ...] = Field(min_length=len(CLASSES), max_length=len(CLASSES))
    error: Interval

    @field_validator("prior")
    @classmethod
    def _check_prior(cls, prior: tuple[float, ...]) -> tuple[float, ...]:
        if min(prior) <= 0:
            raise ValueError("every class must have a positive share")
        return prior

    def posterior(self, logits: NDArray[np.floating], prevalence: Prevalence) -> NDArray[np.float64]:
        """Probabilities [n, 7] of logits [n, 7] at another mix: Bayes' rule with the same likelihood ratios."""
        shift = np.log(prevalence.shares) - np.log(self.prior)
        return softmax(self.slope * logits.astype(np.float64) + np.array(self.offsets) + shift)


class MalignancyCalibration(StrictModel):
    """Calibrated probability of a malignant or precancerous lesion: logistic in the log odds of the malignant score.

    It holds at the mix of the images that it was fitted to, of which `prior` are such lesions. On cross-fitted images:
    `brier`, that of the score itself, and the reliability of both (`accuracy` is the share that is malignant).
    """

    slope: float = Field(gt=0)
    intercept: float
    prior: float = Field(gt=0, lt=1)
    brier: Interval
    brier_of_score: Interval
    reliability: Reliability
    reliability_of_score: Reliability

    def probability(self, score: float) -> float:
        """The probability for a malignant score 0 to 1."""
        odds = self.intercept + self.slope * log_odds(np.array([score]))
        return float(1 / (1 + np.exp(-odds[0])))


class Alarms(StrictModel):
    """Shares of images at or above one level of risk, on cross-fitted images.

    By class (None without images), of all malignant or precancerous ones, of the benign ones, and of all but melanomas.
    """

    classes: dict[str, Interval | None]
    malignant: Interval
    benign: Interval
    others: Interval

    @field_validator("classes")
    @classmethod
    def _every_class(cls, classes: dict[str, Interval | None]) -> dict[str, Interval | None]:
        if tuple(classes) != CLASSES:
            raise ValueError(f"one value for each of {', '.join(CLASSES)} is required, in this order")
        return classes


class RiskAlarms(StrictModel):
    """Alarms of both levels of risk."""

    moderate: Alarms
    high: Alarms


class DecisionPoint(StrictModel):
    """Net benefit per image of referring at one threshold probability (Vickers and Elkin, Med Decis Making 2006).

    Refer everybody, from moderate risk, from high risk, or from a calibrated probability of at least the threshold;
    referring nobody has net benefit 0. At the mix of the measured images.
    """

    threshold: float = Field(gt=0, lt=1)
    everybody: Interval
    moderate: Interval
    high: Interval
    calibrated: Interval


class MelanomaDetection(StrictModel):
    """Melanoma against all else: sensitivity by specificity, and the standardised partial AUC above `specificity`."""

    sensitivity: dict[str, Interval]
    specificity: float
    partial_auc: Interval


class Uncertainty(StrictModel):
    """The whole file. `networks`: 1, or the number of networks of which one answered each held-out image.

    A part is None if the images cannot give it: a class, or all malignant or all benign images, were missing.
    """

    networks: int = Field(ge=1)
    prediction_sets: PredictionSets
    likelihoods: Likelihoods | None
    malignancy: MalignancyCalibration | None
    alarms: RiskAlarms | None
    decision: tuple[DecisionPoint, ...]
    melanoma: MelanomaDetection | None


def log_odds(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds of scores [n] between 0 and 1."""
    inside = np.clip(score, LEAST_SCORE, 1 - LEAST_SCORE)
    return np.asarray(np.log(inside) - np.log1p(-inside))
