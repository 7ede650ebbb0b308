"""Operating points, calibration and subgroups compared with loops, scikit-learn and cases counted by hand."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, precision_recall_fscore_support, roc_auc_score

from inference.domain.taxonomy import CLASSES, MALIGNANT
from tests.support.answers import make_answers
from training.data.attributes import read_attributes
from training.data.ham10000 import InvalidDataset
from training.evaluation.bootstrap import lesion_weights
from training.evaluation.metrics import all_numbers, expected_calibration_error, roc_auc
from training.evaluation.operating_points import LEVELS, calibration, operating_points
from training.evaluation.predictions import Predictions
from training.evaluation.subgroups import measure_subgroups

pytestmark = pytest.mark.numeric
ANSWERS = make_answers(count=600)
MEL = CLASSES.index("mel")


def with_melanoma_scores(melanomas: list[float], others: list[float]) -> Predictions:
    """One image per lesion; images that are not melanomas are naevi."""
    count = len(melanomas) + len(others)
    score = np.array(melanomas + others)
    probabilities = np.zeros((count, 7))
    probabilities[:, MEL], probabilities[:, 5] = score, 1 - score
    ids = np.array([f"i{number}" for number in range(count)])
    labels = np.array([MEL] * len(melanomas) + [5] * len(others))
    return Predictions(ids, ids, labels, probabilities, np.log(probabilities + 1e-9).astype(np.float32))


def test_a_row_of_weights_is_the_sample_it_stands_for() -> None:
    """Weights give the same value as copies of the drawn images."""
    weights = lesion_weights(ANSWERS.lesion_ids, resamples=5, seed=3)
    assert (weights[0] == 1).all()
    lesions = len(np.unique(ANSWERS.lesion_ids))
    for row in range(1, 6):
        assert weights[row, ::2].sum() == lesions  # two images a lesion, always together
        assert (weights[row, ::2] == weights[row, 1::2]).all()
        rows = np.repeat(np.arange(len(ANSWERS)), weights[row].astype(int))
        copied = all_numbers(ANSWERS.labels[rows], ANSWERS.probabilities[rows], np.ones((1, len(rows))))
        weighted = all_numbers(ANSWERS.labels, ANSWERS.probabilities, weights[row : row + 1])
        for key, value in copied.items():
            assert weighted[key][0] == pytest.approx(value[0], abs=1e-12), key


def test_auc_with_ties_is_scikit_learns() -> None:
    score = np.round(ANSWERS.probabilities[:, MEL], 1)
    assert roc_auc(ANSWERS.labels == MEL, score) == pytest.approx(roc_auc_score(ANSWERS.labels == MEL, score))


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_averages_over_classes_are_scikit_learns(average: str) -> None:
    numbers = all_numbers(ANSWERS.labels, ANSWERS.probabilities, np.ones((1, len(ANSWERS))))
    expected = precision_recall_fscore_support(ANSWERS.labels, ANSWERS.predicted, average=average)[:3]
    found = [numbers[f"{average}_{name}", ""][0] for name in ("precision", "recall", "f1")]
    assert found == pytest.approx(expected)


def test_operating_points_counted_by_hand() -> None:
    """Of ten other images two may be false alarms at 80 %, one at 90 %, none at 95 %."""
    others = [0.90, 0.70, 0.50, 0.40, 0.30, 0.20, 0.15, 0.10, 0.05, 0.01]
    points = operating_points(with_melanoma_scores([0.95, 0.80, 0.60, 0.45], others), seed=1, resamples=50)
    found = {(point.measured, point.at): point for point in points}
    assert [found["sensitivity", at].value.value for at in LEVELS] == pytest.approx([0.75, 0.5, 0.25])
    assert [found["sensitivity", at].threshold for at in LEVELS] == [0.60, 0.80, 0.95]
    assert [found["specificity", at].value.value for at in LEVELS] == pytest.approx([0.7, 0.7, 0.7])
    assert found["specificity", 0.95].threshold == 0.45
    assert found["specificity", 0.95].given == "sensitivity"


def test_operating_points_are_those_of_a_search_over_all_thresholds() -> None:
    score, positive = ANSWERS.probabilities[:, MEL], ANSWERS.labels == MEL
    rates = [((score[positive] >= t).mean(), (score[~positive] < t).mean()) for t in [*score, 2.0]]
    for point in operating_points(ANSWERS, seed=1, resamples=100):
        if point.measured == "sensitivity":
            expected = max(sensitivity for sensitivity, specificity in rates if specificity >= point.at - 1e-9)
        else:
            expected = max(specificity for sensitivity, specificity in rates if sensitivity >= point.at - 1e-9)
        assert point.value.value == pytest.approx(expected)
        assert point.value.low < point.value.value < point.value.high


def test_no_call_is_allowed_and_no_melanoma_is_no_number() -> None:
    """All other images score above the melanoma, so that 95 % specificity allows no positive image."""
    point = operating_points(with_melanoma_scores([0.1], [0.9, 0.8]), seed=1, resamples=20)[2]
    assert (point.value.value, point.threshold) == (0, None)
    without = operating_points(with_melanoma_scores([], [0.9, 0.8]), seed=1, resamples=20)
    assert all(point.value is None and point.threshold is None for point in without)


def test_calibration_before_and_after() -> None:
    measured = calibration(ANSWERS, seed=1, resamples=100)
    before, after = (
        expected_calibration_error(ANSWERS.labels, each) for each in (ANSWERS.uncalibrated, ANSWERS.probabilities)
    )
    # Sums over the same images, with weights and without, in another order.
    assert measured.before.value == pytest.approx(before, abs=1e-9)
    assert measured.after.value == pytest.approx(after, abs=1e-9)
    assert abs(before - after) > 1e-3


METADATA = """lesion_id,image_id,dx,dx_type,age,sex,localization,dataset
l,a,mel,histo,29.0,male,back,rosendahl
l,b,mel,histo,30.0,FEMALE,back,rosendahl
l,c,mel,histo,,unknown,,rosendahl
l,d,mel,histo,59,male,back,vidir_modern
l,e,mel,histo,60.0,male,face,vidir_modern
l,f,mel,histo,75.0,,face,vidir_modern
l,g,mel,histo,nan,male,unknown,
"""


def test_attributes_of_the_metadata(tmp_path: Path) -> None:
    path = tmp_path / "HAM10000_metadata.csv"
    path.write_text(METADATA)
    found = read_attributes(path)
    assert list(found["age"].values()) == ["0-29", "30-44", "unknown", "45-59", "60-74", "75+", "unknown"]
    assert list(found["sex"].values()) == ["male", "female", "unknown", "male", "male", "unknown", "male"]
    assert found["site"]["c"] == found["source"]["g"] == "unknown"
    path.write_text("\n".join(line.rsplit(",", 1)[0] for line in METADATA.splitlines()))
    assert list(read_attributes(path)) == ["sex", "age", "site"]
    path.write_text(METADATA.replace("29.0", "old"))
    with pytest.raises(InvalidDataset, match="'old' is not an age"):
        read_attributes(path)


def test_a_subgroups_numbers_are_scikit_learns() -> None:
    sex = {image: "male" if number % 3 else "female" for number, image in enumerate(ANSWERS.image_ids)}
    male, female = measure_subgroups(ANSWERS, {"sex": sex}, seed=1, resamples=50)
    assert (male.name, male.images, female.images, male.lesions) == ("male", 400, 200, 300)
    rows = np.array([sex[image] == "male" for image in ANSWERS.image_ids])
    labels, predicted = ANSWERS.labels[rows], ANSWERS.predicted[rows]
    numbers = male.numbers
    assert numbers["accuracy"].value == pytest.approx((labels == predicted).mean())
    assert numbers["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert numbers["melanoma_recall"].value == pytest.approx((predicted == MEL)[labels == MEL].mean())
    malignant = ANSWERS.probabilities[rows][:, list(MALIGNANT)].sum(axis=1)
    assert numbers["malignant_auc"].value == pytest.approx(roc_auc_score(np.isin(labels, MALIGNANT), malignant))
    assert male.melanoma_images == (labels == MEL).sum()
    assert all(each.low < each.value < each.high for each in numbers.values())


def test_small_groups_are_listed_without_numbers() -> None:
    """19 images are too few, 20 are enough; an image without attributes is unknown, and unknown is last."""
    ages = {image: "75+" if number < 19 else "0-29" for number, image in enumerate(ANSWERS.image_ids[:39])}
    groups = measure_subgroups(ANSWERS, {"age": ages}, seed=1, resamples=20)
    assert [(group.name, group.images) for group in groups] == [("0-29", 20), ("75+", 19), ("unknown", 561)]
    assert [group.numbers is None for group in groups] == [False, True, False]


def test_a_number_resting_on_few_lesions_is_left_out() -> None:
    """Two detected melanomas of two do not measure the recall; the other metrics of the group remain."""
    few = with_melanoma_scores([0.9, 0.8], [0.1] * 30)
    (group,) = measure_subgroups(few, {"site": {}}, seed=1, resamples=20)
    assert (group.name, group.melanoma_images) == ("unknown", 2)
    assert group.numbers["melanoma_recall"] is None
    assert group.numbers["malignant_auc"] is None
    assert group.numbers["accuracy"].value == pytest.approx(1)
