"""The dossier of a run: numbers, tables and pictures, written as files and then kept in MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inference.bundle import Bundle
from inference.explainers import EXPLAINERS
from inference.heatmap import canvas, heatmap, overlay
from inference.image import Box
from inference.runtimes import open_runtime
from inference.taxonomy import CLASSES
from training import plots
from training.config import Config
from training.dataset import prepare_images
from training.evaluation import Findings
from training.folds import Folds
from training.operating import calibration, operating_points
from training.predictions import draw_cases, report_json, report_text, write_predictions
from training.progress import History
from training.sheet import Photo, photo_sheet
from training.split import Split
from training.subgroups import measure_subgroups, read_attributes

CASES = 6


def write_dossier(
    folder: Path,
    *,
    config: Config,
    split: Split | Folds,
    histories: Mapping[str, History],
    findings: Findings,
    bundle: Bundle,
    metadata: Path,
) -> None:
    """Write everything but the bundle itself; the pictures are SVG, the photos PNG (never to be published)."""
    for name in ("predictions", "numbers", "plots"):
        (folder / name).mkdir(parents=True)
    write_predictions(findings.validation, folder / "predictions" / "validation.csv")
    write_predictions(findings.test, folder / "predictions" / "test.csv")
    _write_numbers(folder / "numbers", config=config, split=split, findings=findings, metadata=metadata)
    _draw(folder / "plots", findings=findings, about=_about(config))
    curves = plots.training_curves({name.replace("_", "-"): each for name, each in histories.items()}, data=config.name)
    plots.save(curves, folder / "plots" / "training.svg")
    plots.save(_cases(config, split, findings, bundle), folder / "plots" / "cases.png")


def _write_numbers(folder: Path, *, config: Config, split: Split | Folds, findings: Findings, metadata: Path) -> None:
    test, seed = findings.test, config.seed
    content: dict[str, Any] = {
        "metrics": findings.metrics.model_dump(mode="json"),
        "classification_report": report_json(test),
        "operating_points": [point.model_dump(mode="json") for point in operating_points(test, seed=seed)],
        "calibration": calibration(test, seed=seed).model_dump(mode="json"),
        "subgroups": [
            group.model_dump(mode="json") for group in measure_subgroups(test, read_attributes(metadata), seed=seed)
        ],
        "split": {
            "digest": split.digest(),
            "by": config.data.split,
            **{name: [record.image_id for record in part] for name, part in split.parts().items()},
        },
    }
    for name, value in content.items():
        (folder / f"{name}.json").write_text(json.dumps(value, indent=1), encoding="utf-8")
    (folder / "classification_report.txt").write_text(report_text(test), encoding="utf-8")


def _draw(folder: Path, *, findings: Findings, about: str) -> None:
    labels, probabilities = findings.test.labels, findings.test.probabilities
    figures = {
        "roc": plots.roc_curves(labels, probabilities, data=about),
        "precision_recall": plots.precision_recall_curves(labels, probabilities, data=about),
        "confusion": plots.confusion(labels, probabilities, data=about),
        "reliability": plots.reliability(labels, probabilities, uncalibrated=findings.test.uncalibrated, data=about),
    }
    for name, figure in figures.items():
        plots.save(figure, folder / f"{name}.svg")


def _cases(config: Config, split: Split | Folds, findings: Findings, bundle: Bundle) -> Any:
    """Grad-CAM++ of the predicted class for some right and some wrong answers, as the service draws it."""
    runtime = open_runtime(bundle, precision="fp32")  # as the answers were found
    size = config.model.preprocessing.size
    on = canvas(width=size, height=size, view=Box(0, 0, size, size))

    def photos(rows: np.ndarray[Any, Any]) -> list[Photo]:
        found = []
        for row in rows:
            image = prepare_images([split.test[row]], config.model.preprocessing)
            maps = EXPLAINERS["gradcam++"](runtime.run(image).features, bundle.head)[0]
            predicted, true = int(findings.test.predicted[row]), int(findings.test.labels[row])
            drawn = overlay(image[0], heatmap(maps[..., predicted], on=on))
            share = findings.test.probabilities[row, predicted]
            found.append(Photo(cv2.resize(drawn, (224, 224)), f"{CLASSES[true]} as {CLASSES[predicted]} {share:.0%}"))
        return found

    right, wrong = draw_cases(findings.test, count=CASES, seed=config.seed)
    return photo_sheet(photos(right), photos(wrong), data=_about(config))


def _about(config: Config) -> str:
    leak = ", split by image (leaky)" if config.data.split == "image" else ""
    part = "held-out images" if config.data.folds else "test part"
    return f"{part}, {config.name}{leak}"
