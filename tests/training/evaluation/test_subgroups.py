"""Subgroups: what is left out of a small one, and their order."""

import numpy as np
import pytest

from inference.domain.taxonomy import CLASSES
from training.evaluation.predictions import Predictions, from_logits
from training.evaluation.subgroups import measure_subgroups

pytestmark = pytest.mark.numeric


def answers(*, right: dict[str, int], wrong: dict[str, int]) -> Predictions:
    """One image a lesion; those that are wrong are predicted as the next class."""
    kinds = [(code, shift, count) for shift, counts in enumerate((right, wrong)) for code, count in counts.items()]
    labels = np.array([CLASSES.index(code) for code, _, count in kinds for _ in range(count)])
    predicted = labels + np.array([shift for _, shift, count in kinds for _ in range(count)])
    ids = [f"i{number}" for number in range(len(labels))]
    logits = 5 * np.eye(len(CLASSES), dtype=np.float32)[predicted % len(CLASSES)]
    return from_logits(logits, temperature=1.0, image_ids=ids, lesion_ids=ids, labels=labels)


@pytest.mark.parametrize(("fibromas", "left_out"), [(0, False), (1, True), (4, True), (5, False)])
def test_a_mean_over_classes_of_which_one_has_few_lesions_is_left_out(fibromas: int, left_out: bool) -> None:
    """Resamples without the one wrong dermatofibroma are a mean over other classes: 1.0, not 0.5."""
    few = answers(right={"nv": 24}, wrong={"df": fibromas})
    (group,) = measure_subgroups(few, {"site": {}}, seed=1, resamples=200)
    assert group.numbers
    assert (group.numbers["balanced_accuracy"] is None) == left_out
    assert group.numbers["accuracy"]
    assert group.numbers["accuracy"].value == pytest.approx(24 / (24 + fibromas))


@pytest.mark.parametrize("column", ["age", "age_approx", "Age"])
def test_ages_are_in_order_whatever_the_column_is_called(column: str) -> None:
    bands = ["75+"] * 4 + ["45-59"] * 3 + ["0-29"] * 2 + ["unknown"] * 5
    own = answers(right={"nv": len(bands)}, wrong={})
    groups = measure_subgroups(own, {column: dict(zip(own.image_ids.tolist(), bands, strict=True))}, seed=1)
    assert [group.name for group in groups] == ["0-29", "45-59", "75+", "unknown"]


def test_groups_of_which_some_are_no_ages_descend_by_size() -> None:
    wards = ["75+"] * 3 + ["north"] * 4 + ["0-29"] * 2
    own = answers(right={"nv": len(wards)}, wrong={})
    groups = measure_subgroups(own, {"ward": dict(zip(own.image_ids.tolist(), wards, strict=True))}, seed=1)
    assert [group.name for group in groups] == ["north", "75+", "0-29"]
