"""The images that calibrate an int8 graph."""

from pathlib import Path

import numpy as np

from inference.bundle.storage import Bundle
from training.quantisation.calibration_set import collect_calibration_data, sample


def test_samples_are_stratified_and_repeatable() -> None:
    labels = np.repeat(np.arange(7), [10, 20, 30, 40, 100, 700, 100])
    rows = sample(labels, 100, seed=3)
    assert np.bincount(labels[rows]).tolist() == [1, 2, 3, 4, 10, 70, 10]
    assert (rows == sample(labels, 100, seed=3)).all()
    assert (rows != sample(labels, 100, seed=4)).any()
    assert sample(labels, 5000, seed=3).tolist() == list(range(1000))


def test_held_out_images_that_calibrate_are_not_measured_on(starter: Bundle, real_data: Path) -> None:
    load = collect_calibration_data(starter, real_data, ungated=False)
    assert len(load.images) == 300
    assert len(load.evaluation.records) == starter.manifest.metrics.images - 300
    assert load.evaluation.members == 3
