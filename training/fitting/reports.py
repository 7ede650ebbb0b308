"""Who is told about the progress of a stage. Reports come after the checkpoint, so that none can lose an epoch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from training.fitting.stage_progress import History


class Report(Protocol):
    """Receives what was trained. It may get the same epochs again when a run resumes."""

    def trained(self, stage: str, history: History, *, first_step: int) -> None:
        """The numbers of all epochs of a stage so far; its first epoch is number `first_step` + 1 of the network."""

    def finished(self, stage: str, history: History, *, best: Path) -> None:
        """The stage has ended; `best` is the checkpoint of its best epoch, which `clean` may have deleted."""


class Silent:
    """Ignores everything."""

    def trained(self, stage: str, history: History, *, first_step: int) -> None:
        """Ignore the epochs."""

    def finished(self, stage: str, history: History, *, best: Path) -> None:
        """Ignore the end of the stage."""


@dataclass(frozen=True, slots=True)
class OfFold:
    """Passes reports on with the number of the fold, counted from 1, before the stage's name."""

    report: Report
    fold: int

    def trained(self, stage: str, history: History, *, first_step: int) -> None:
        """Pass the epochs on."""
        self.report.trained(f"fold-{self.fold}.{stage}", history, first_step=first_step)

    def finished(self, stage: str, history: History, *, best: Path) -> None:
        """Pass the end of the stage on."""
        self.report.finished(f"fold-{self.fold}.{stage}", history, best=best)
