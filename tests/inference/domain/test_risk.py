import numpy as np
import pytest
from pydantic import ValidationError

from inference.domain.probability import softmax
from inference.domain.risk import Thresholds, confidence_level, malignant_probability, risk_level
from inference.domain.taxonomy import CLASSES, DIAGNOSES, MALIGNANT

LIMITS = Thresholds(moderate=0.2, high=0.6)


def test_classes_are_in_the_fixed_order() -> None:
    assert CLASSES == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
    assert [CLASSES[i] for i in MALIGNANT] == ["akiec", "bcc", "mel"]


def test_snomed_codes_stand_only_where_they_were_verified() -> None:
    assert {d.code: d.snomed_ct for d in DIAGNOSES if d.snomed_ct} == {
        "mel": "372244006",
        "nv": "400096001",
        "bcc": "254701007",
        "akiec": "201101007",
    }
    assert all(d.icd10 and d.es and d.en for d in DIAGNOSES)


@pytest.mark.parametrize(
    ("malignant", "level"), [(0.0, "low"), (0.1999, "low"), (0.2, "moderate"), (0.5999, "moderate"), (0.6, "high")]
)
def test_risk_by_the_two_thresholds(malignant: float, level: str) -> None:
    assert risk_level(malignant, LIMITS) == level


@pytest.mark.parametrize(
    ("probability", "level"), [(0.39, "low"), (0.40, "medium"), (0.5999, "medium"), (0.60, "high"), (1.0, "high")]
)
def test_confidence(probability: float, level: str) -> None:
    assert confidence_level(probability) == level


def test_malignant_probability_adds_mel_bcc_akiec() -> None:
    assert malignant_probability(np.array([0.1, 0.2, 0.1, 0.1, 0.3, 0.1, 0.1])) == pytest.approx(0.6)


def test_thresholds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="below the moderate"):
        Thresholds(moderate=0.6, high=0.2)


def test_softmax_sums_to_one_and_survives_large_logits() -> None:
    rows = softmax(np.array([[1000.0, 0, -1000], [1, 2, 3]], np.float32), 2.0)
    assert np.abs(rows.sum(axis=1) - 1).max() < 1e-15
    assert rows[1] == pytest.approx(np.exp([0.5, 1, 1.5]) / np.exp([0.5, 1, 1.5]).sum())
