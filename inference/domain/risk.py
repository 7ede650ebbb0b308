"""Risk level and confidence level of a prediction: how dangerous it is, and how sure the model is."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from inference.domain.taxonomy import MALIGNANT

RiskLevel = Literal["low", "moderate", "high"]
ConfidenceLevel = Literal["high", "medium", "low"]

HIGH_CONFIDENCE = 0.60
MEDIUM_CONFIDENCE = 0.40


class Thresholds(BaseModel):
    """Malignant probabilities from which the risk is moderate or high; chosen on the validation set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    moderate: float = Field(gt=0, lt=1)
    high: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _ordered(self) -> "Thresholds":
        if self.high < self.moderate:
            raise ValueError(f"the high threshold {self.high} is below the moderate one {self.moderate}")
        return self


def malignant_probability(probabilities: NDArray[np.float64]) -> float:
    """P(mel) + P(bcc) + P(akiec) of calibrated probabilities float64 [7], at most 1."""
    return float(min(1.0, probabilities[list(MALIGNANT)].sum()))


def risk_level(malignant: float, thresholds: Thresholds) -> RiskLevel:
    """Risk level of a malignant probability; a level starts at its threshold."""
    if malignant >= thresholds.high:
        return "high"
    return "moderate" if malignant >= thresholds.moderate else "low"


def confidence_level(probability: float) -> ConfidenceLevel:
    """Confidence level of the predicted class's calibrated probability; it is independent of the risk."""
    if probability >= HIGH_CONFIDENCE:
        return "high"
    return "medium" if probability >= MEDIUM_CONFIDENCE else "low"
