"""Sends epochs, curves and checkpoints of a run to MLflow as they come."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from training.fitting.checkpoints import Checkpoints
from training.fitting.stage_progress import History
from training.fitting.trainer import PRETRAIN
from training.tracking.mlflow_run import REPORTED, STORED, Run

# Draws the curves of all stages so far, {stage: history}, into a file.
DrawCurves = Callable[[Mapping[str, History], Path], None]


class TrackedReport:
    """A training.fitting.reports.Report.

    The checkpoints remember which epochs and files were reported. Epochs that another process trained, or that a killed
    process could not report any more, are reported when the run resumes.
    """

    def __init__(self, run: Run, checkpoints: Checkpoints, *, draw: DrawCurves) -> None:
        self._run = run
        self._checkpoints = checkpoints
        self._draw = draw
        self._histories: dict[str, History] = {}

    def trained(self, stage: str, history: History, *, first_step: int) -> None:
        """Log every epoch that was not logged yet. All stages of a network share one axis of steps."""
        reported = json.loads(self._checkpoints.note(REPORTED) or "{}")
        count = len(history["loss"])
        for epoch in range(reported.get(stage, 0), count):
            numbers = {name: values[epoch] for name, values in history.items()}
            self._run.metrics(numbers, prefix=_prefix(stage), step=first_step + epoch + 1)
        self._checkpoints.note(REPORTED, json.dumps(reported | {stage: count}))

    def finished(self, stage: str, history: History, *, best: Path) -> None:
        """Store the curves of all stages so far, and the checkpoint unless it was stored before or is deleted."""
        self._histories[stage] = history
        folder = self._checkpoints.folder / "report" / "plots"
        folder.mkdir(parents=True, exist_ok=True)
        self._draw(self._histories, folder / "training.svg")
        self._run.file(folder / "training.svg", "plots")
        if not best.is_file():
            return
        stored = json.loads(self._checkpoints.note(STORED) or "{}")
        version = best.stat().st_mtime_ns
        if stored.get(str(best)) != version:
            self._run.file(best, self._folder_of(best))
            self._checkpoints.note(STORED, json.dumps(stored | {str(best): version}))

    def _folder_of(self, best: Path) -> str:
        if best.is_relative_to(self._checkpoints.folder):
            return ("checkpoints" / best.parent.relative_to(self._checkpoints.folder)).as_posix()
        return "checkpoints"  # pretraining has a folder of its own, which several runs share


def _prefix(stage: str) -> str:
    """The start of a metric's name: the fold, and "pretrain." for the stage on another data set."""
    fold, _, name = stage.rpartition(".")
    return (f"{fold}." if fold else "") + (f"{PRETRAIN}." if name == PRETRAIN else "")
