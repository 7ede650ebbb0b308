"""Stored predictions are read back exactly; an error names the wrong file and the cause."""

from pathlib import Path

import numpy as np
import pytest

from inference.domain.probability import softmax
from inference.domain.taxonomy import CLASSES
from tests.support.answers import make_answers
from training.evaluation.predictions import (
    InvalidPredictions,
    Predictions,
    draw_cases,
    from_logits,
    read_predictions,
    report_json,
    report_text,
    write_predictions,
)

pytestmark = pytest.mark.numeric


def awkward(count: int) -> Predictions:
    """Logits over the whole range of float32, and their probabilities."""
    bits = np.random.default_rng(2).integers(0, 2**32, (count * 2, 7), dtype=np.uint32)
    logits = bits.view(np.float32)
    logits = logits[np.isfinite(logits).all(axis=1)][:count]
    ids = [f"ISIC_{number}" for number in range(len(logits))]
    return from_logits(logits, temperature=1.7, image_ids=ids, lesion_ids=ids, labels=np.arange(len(ids)) % 7)


@pytest.mark.parametrize("predictions", [make_answers(), awkward(500)], ids=["usual", "awkward"])
def test_the_same_floats_come_back(predictions: Predictions, tmp_path: Path) -> None:
    write_predictions(predictions, tmp_path / "test.csv")
    back = read_predictions(tmp_path / "test.csv")
    for name in ("image_ids", "lesion_ids", "labels", "probabilities", "logits"):
        stored, read = getattr(predictions, name), getattr(back, name)
        assert read.dtype.kind == stored.dtype.kind
        assert np.array_equal(read, stored), name
    assert back.logits.dtype == np.float32
    assert back.probabilities.dtype == np.float64


def test_people_can_read_it(tmp_path: Path) -> None:
    write_predictions(make_answers(count=3), tmp_path / "test.csv")
    header, first, *_ = (tmp_path / "test.csv").read_text().splitlines()
    assert header.startswith("image_id,lesion_id,diagnosis,predicted,probability_akiec,")
    assert first.split(",")[0] == "ISIC_0000000"
    assert first.split(",")[2] in CLASSES


HEADER = ",".join(
    ["image_id", "lesion_id", "diagnosis", "predicted"]
    + [f"probability_{code}" for code in CLASSES]
    + [f"logit_{code}" for code in CLASSES]
)
GOOD = "i1,l1,mel,nv,0.1,0.1,0.1,0.1,0.1,0.4,0.1,0,0,0,0,0,1.4,0"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "start with nothing"),
        ("lesion_id,image_id,dx\na,b,mel\n", "start with lesion_id, image_id, dx"),
        (HEADER, "contains no predictions"),
        (f"{HEADER}\n{GOOD}\n{GOOD}", "more than once"),
        (f"{HEADER}\n{GOOD},1", "row 2: 19 values, expected 18"),
        (f"{HEADER}\n{GOOD.replace('mel', 'melanoma')}", "row 2: unknown diagnosis 'melanoma'"),
        (f"{HEADER}\n{GOOD.replace('1.4', 'x')}", "row 2: could not convert"),
        (f"{HEADER}\n{GOOD.replace('1.4', 'inf')}", "logits must be finite"),
        (f"{HEADER}\n{GOOD.replace('0.4', '0.5')}", "the sum 1"),
        (f"{HEADER}\n{GOOD.replace('0.4', 'nan')}", "the sum 1"),
        (f"{HEADER}\n{GOOD.replace('0.4,0.1', '0.6,-0.1')}", "0 or more"),
    ],
)
def test_a_wrong_file_is_named_with_its_cause(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text(content)
    with pytest.raises(InvalidPredictions, match=r"other\.csv") as raised:
        read_predictions(path)
    assert message in str(raised.value)


def test_a_missing_file_and_bytes_are_no_predictions(tmp_path: Path) -> None:
    (tmp_path / "image.csv").write_bytes(b"\xff\xd8\xff")
    for name in ("image.csv", "missing.csv"):
        with pytest.raises(InvalidPredictions, match=name):
            read_predictions(tmp_path / name)


def test_before_and_after_temperature() -> None:
    predictions = make_answers(count=10)
    assert predictions.uncalibrated == pytest.approx(softmax(predictions.logits), rel=1e-9)
    assert predictions.probabilities == pytest.approx(softmax(predictions.logits, 1.3), rel=1e-9)
    assert np.array_equal(predictions.at(np.array([3, 1])).logits, predictions.logits[[3, 1]])


def test_the_report_counted_by_hand() -> None:
    """Four melanomas, three of them detected; one naevus is predicted as melanoma."""
    logits = np.eye(7, dtype=np.float32)[[4, 4, 4, 5, 4]] * 5
    ids = list("abcde")
    labels = np.array([4, 4, 4, 4, 5])
    predictions = from_logits(logits, temperature=1, image_ids=ids, lesion_ids=ids, labels=labels)
    report = report_json(predictions)
    assert report["mel"] == pytest.approx({"precision": 0.75, "recall": 0.75, "f1-score": 0.75, "support": 4})
    assert report["accuracy"] == pytest.approx(0.6)
    assert report["df"]["support"] == 0
    line = next(line for line in report_text(predictions).splitlines() if "mel" in line)
    assert line.split() == ["mel", "0.750", "0.750", "0.750", "4"]


def test_cases_are_drawn_from_both_kinds() -> None:
    predictions = make_answers()
    right, wrong = draw_cases(predictions, count=6, seed=1)
    correct = predictions.predicted == predictions.labels
    assert len(set(right)) == len(set(wrong)) == 6
    assert correct[right].all()
    assert not correct[wrong].any()
    everything, _ = draw_cases(predictions, count=10_000, seed=1)
    assert len(everything) == correct.sum()
    assert not np.array_equal(draw_cases(predictions, count=6, seed=2)[0], right)
