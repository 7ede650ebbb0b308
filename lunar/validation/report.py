"""The report of a local validation: all numbers for JSON, tables and figures."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from inference.bundle.manifest import OVERALL, Interval
from inference.domain.taxonomy import BY_CODE, CLASSES
from lunar.validation.comparison import compare
from lunar.validation.measuring import Measured
from lunar.validation.paragraphs import Validation, interval_text, intervals
from training.reporting import plots
from training.reporting.tables import Table, TableCell

OF_A_CLASS = ("recall", "precision", "f1", "auc")
TITLE = "Local validation"


def to_json(validation: Validation) -> dict[str, Any]:
    """Every number, with the card's beside it."""
    manifest, answered = validation.manifest, validation.answered
    return {
        "model": {"name": manifest.name, "digest": manifest.digest},
        "intervals": intervals(validation),
        "measured": validation.measured.model_dump(mode="json"),
        "card": manifest.metrics.model_dump(mode="json") if manifest.metrics else None,
        "in_training_data": asdict(validation.overlap),
        "unreadable": dict(answered.unreadable),
        "missing": answered.missing,
        "unlabelled": answered.unlabelled,
        "without_class": validation.unknown,
        "without_group": validation.ungrouped,
        "warnings": dict(answered.warnings),
    }


def tables(validation: Validation) -> list[Table]:
    """The card's metrics here and there, the confusion, the thresholds, and the subgroups."""
    measured = validation.measured
    overall = [_compared(validation, _words(name), name, "") for name in OVERALL]
    classes = [
        _compared(validation, f"{code}, {'sensitivity' if name == 'recall' else name}", name, code)
        for code in CLASSES
        for name in OF_A_CLASS
        if measured.per_class[code][name]
    ]
    note = (
        "The card's numbers are of its own test images. Better or worse: the two 95 % intervals do not overlap. "
        "Not compared are numbers that depend on the mix of classes, on classes that one side lacks, or on few groups."
    )
    header = ("", "here", "card", "here, compared with the card")
    return [
        _table("All classes together", note, header, overall),
        _table("Each class", "Classes without images here are left out.", header, classes),
        _confusion(measured),
        _thresholds(validation),
        _operating_points(measured),
        *_subgroups(measured),
    ]


def figures(validation: Validation) -> list[str]:
    """Reliability, confusion and ROC curves as SVG elements."""
    own, data = validation.answered.predictions, "local images"
    drawn = [
        plots.reliability(own.labels, own.probabilities, uncalibrated=own.uncalibrated, data=data),
        plots.confusion(own.labels, own.probabilities, data=data),
        plots.roc_curves(own.labels, own.probabilities, data=data),
    ]
    return [_svg(figure, number) for number, figure in enumerate(drawn)]


def _svg(figure: Figure, number: int) -> str:
    """One element; its ids get a prefix, because several figures stand in one page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figure.svg"
        plots.save(figure, path)
        text = path.read_text(encoding="utf-8")
    text = text[text.index("<svg") :]
    return re.sub(r'(id="|href="#|url\(#)', rf"\g<1>figure{number}-", text)


def _compared(validation: Validation, title: str, name: str, code: str) -> tuple[TableCell, ...]:
    measured, card = validation.measured, validation.manifest.metrics
    here = measured.per_class[code][name] if code else measured.overall[name]
    there = (card.per_class[code].get(name) if code else card.overall.get(name)) if card else None
    words, mark = compare(name, code, here, there, measured=measured, card=card)
    texts = (title, interval_text(here), interval_text(there))
    return (*map(TableCell, texts), TableCell(words, mark))


def _confusion(measured: Measured) -> Table:
    rows = [
        tuple(TableCell(str(cell)) for cell in (f"{code} ({BY_CODE[code].en})", *counts))
        for code, counts in zip(CLASSES, measured.confusion, strict=True)
    ]
    return _table("Confusion", "Images by true class (row) and predicted class (column).", ("", *CLASSES), rows)


def _thresholds(validation: Validation) -> Table:
    found, thresholds = validation.measured.curves.risk, validation.manifest.thresholds
    pairs = (
        ("moderate", thresholds.moderate, found and found.moderate),
        ("high", thresholds.high, found and found.high),
    )
    rows = [
        tuple(map(TableCell, (f"{name} ({at:.3f})", interval_text(each.sensitivity), interval_text(each.specificity))))
        for name, at, each in pairs
        if each
    ]
    note = "Malignant (mel, bcc, akiec) against benign, at the bundle's thresholds of the malignant probability."
    return _table("Levels of risk", note, ("from this level on", "sensitivity", "specificity"), rows)


def _operating_points(measured: Measured) -> Table:
    rows = [
        tuple(map(TableCell, (f"{point.measured} at {point.given} {point.at:.2f}", interval_text(point.value))))
        for point in measured.operating_points
    ]
    return _table("Melanoma against the others", "Chosen on these images: for description only.", ("", "value"), rows)


def _subgroups(measured: Measured) -> list[Table]:
    found = []
    for attribute in dict.fromkeys(group.attribute for group in measured.subgroups):
        rows = []
        for group in (each for each in measured.subgroups if each.attribute == attribute):
            numbers: Mapping[str, Interval | None] = group.numbers or {}
            names = ("accuracy", "balanced_accuracy", "malignant_auc", "melanoma_recall")
            cells = (group.name, str(group.images), *(interval_text(numbers.get(name)) for name in names))
            rows.append(tuple(map(TableCell, cells)))
        header = ("", "images", "accuracy", "balanced accuracy", "malignant AUC", "melanoma, sensitivity")
        found.append(_table(f"By {attribute}", "Numbers of few images or lesions are left out.", header, rows))
    return found


def _table(title: str, note: str, header: tuple[str, ...], rows: list[tuple[TableCell, ...]]) -> Table:
    return Table(title, note, tuple(map(TableCell, header)), tuple(rows))


def _words(name: str) -> str:
    words = name.replace("_", " ").replace("f1", "F1").replace("auc", "AUC")
    return words[0].upper() + words[1:]
