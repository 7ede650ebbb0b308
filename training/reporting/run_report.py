"""The report of a run: predictions, numbers and plots as files, which MLflow then keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from inference.bundle.manifest import Metrics
from inference.bundle.storage import Head
from inference.domain.taxonomy import CLASSES
from inference.explainers import EXPLAINERS
from inference.explainers.heatmap import canvas, heatmap, overlay
from inference.imaging.preprocessing import Box
from training.config import Config
from training.data.attributes import read_attributes
from training.data.data_split import DataSplit
from training.data.prepared_images import prepare_images
from training.evaluation.evaluate import EvaluationResult
from training.evaluation.operating_points import calibration, operating_points
from training.evaluation.predictions import draw_cases, report_json, report_text, write_predictions
from training.evaluation.subgroups import measure_subgroups
from training.fitting.stage_progress import History
from training.reporting import plots
from training.reporting.case_sheet import Photo, photo_sheet

CASES = 6
SIDE = 224  # of a case, in pixels


@dataclass(frozen=True, slots=True, eq=False)
class RunReport:
    """What the report of a run is written from.

    `views`: the metrics with several views of each image, if they were measured. `histories`: the numbers of each
    stage's epochs, by the stage's name. `features`: images uint8 [n, s, s, 3] -> the network's last feature maps
    [n, h, w, C], for heat maps with its `head`. `metadata`: HAM10000's table of the patients' attributes.
    """

    config: Config
    split: DataSplit
    histories: Mapping[str, History]
    evaluation: EvaluationResult
    views: Metrics | None
    head: Head
    features: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    metadata: Path


def write_run_report(folder: Path, report: RunReport) -> None:
    """Write the folders predictions, numbers and plots into `folder`. Files of an earlier call are replaced.

    Plots are SVG. cases.png shows images of the data set and must not be published. Raises InvalidDataset.
    """
    for name in ("predictions", "numbers", "plots"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    evaluation = report.evaluation
    write_predictions(evaluation.validation, folder / "predictions" / "validation.csv")
    write_predictions(evaluation.test, folder / "predictions" / "test.csv")
    _write_numbers(folder / "numbers", report)
    _draw(folder / "plots", evaluation=evaluation, data=_describe_data(report.config))
    draw_training(report.histories, folder / "plots" / "training.svg", name=report.config.name)
    plots.save(_draw_cases(report), folder / "plots" / "cases.png")


def draw_training(histories: Mapping[str, History], path: Path, *, name: str) -> None:
    """Write the curves of the stages of the run `name` as SVG."""
    stages = {stage.replace("_", "-"): history for stage, history in histories.items()}
    plots.save(plots.training_curves(stages, data=name), path)


def _write_numbers(folder: Path, report: RunReport) -> None:
    test, split, seed = report.evaluation.test, report.split, report.config.seed
    subgroups = measure_subgroups(test, read_attributes(report.metadata), seed=seed)
    content: dict[str, Any] = {
        "metrics": report.evaluation.metrics.model_dump(mode="json"),
        "classification_report": report_json(test),
        "operating_points": [point.model_dump(mode="json") for point in operating_points(test, seed=seed)],
        "calibration": calibration(test, seed=seed).model_dump(mode="json"),
        "subgroups": [group.model_dump(mode="json") for group in subgroups],
        "split": {
            "digest": split.digest(),
            "by": report.config.data.split,
            **{name: [record.image_id for record in records] for name, records in split.splits().items()},
        },
    }
    if report.views:
        content["views"] = report.views.model_dump(mode="json")
    for name, value in content.items():
        (folder / f"{name}.json").write_text(json.dumps(value, indent=1), encoding="utf-8")
    (folder / "classification_report.txt").write_text(report_text(test), encoding="utf-8")


def _draw(folder: Path, *, evaluation: EvaluationResult, data: str) -> None:
    labels, probabilities = evaluation.test.labels, evaluation.test.probabilities
    figures = {
        "roc": plots.roc_curves(labels, probabilities, data=data),
        "precision_recall": plots.precision_recall_curves(labels, probabilities, data=data),
        "confusion": plots.confusion(labels, probabilities, data=data),
        "reliability": plots.reliability(labels, probabilities, uncalibrated=evaluation.test.uncalibrated, data=data),
    }
    for name, figure in figures.items():
        plots.save(figure, folder / f"{name}.svg")


def _draw_cases(report: RunReport) -> Figure:
    """Grad-CAM++ of the predicted class for some right and some wrong answers, drawn as the service draws it."""
    config, test = report.config, report.evaluation.test
    size = config.model.preprocessing.size
    on = canvas(width=size, height=size, view=Box(0, 0, size, size))

    def draw(row: int) -> Photo:
        image = prepare_images([report.split.test[row]], config.model.preprocessing)
        maps = EXPLAINERS["gradcam++"](report.features(image), report.head)[0]
        predicted, true = int(test.predicted[row]), int(test.labels[row])
        drawn = overlay(image[0], heatmap(maps[..., predicted], on=on))
        caption = f"{CLASSES[true]} as {CLASSES[predicted]} {test.probabilities[row, predicted]:.0%}"
        original, covered = (cv2.resize(pixels, (SIDE, SIDE)) for pixels in (image[0], drawn))
        return Photo(original, covered, caption)

    right, wrong = draw_cases(test, count=CASES, seed=config.seed)
    return photo_sheet([draw(row) for row in right], [draw(row) for row in wrong], data=_describe_data(config))


def _describe_data(config: Config) -> str:
    """The measured images and the model, for the title of a plot."""
    leak = ", split by image (leaky)" if config.data.split == "image" else ""
    images = "held-out images" if config.data.folds else "test set"
    return f"{images}, {config.name}{leak}"
