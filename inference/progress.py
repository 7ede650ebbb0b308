"""The progress of long steps: a bar on a terminal, otherwise a line in the log every LINE_S seconds."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

LINE_S = 30.0
CONSOLE = Console(stderr=True)  # one for all steps: a step inside another one is drawn below it, not over it

Item = TypeVar("Item")

log = logging.getLogger(__name__)


class Step:
    """A long step that is being done; `advance` says how far it is."""

    def __init__(self, progress: Progress, task: TaskID, *, unit: str) -> None:
        self._progress = progress
        self._task = task
        self._unit = unit
        self._last_line = time.monotonic()

    def advance(self, count: float = 1, *, note: str = "") -> None:
        """`count` more units are done; `note` is shown behind the bar."""
        self._progress.update(self._task, advance=count, note=note)
        if self._progress.disable and time.monotonic() - self._last_line >= LINE_S:
            self._last_line = time.monotonic()
            log.info("%s", _line(self._progress.tasks[0], unit=self._unit, note=note))


@contextmanager
def long_step(words: str, *, total: int, unit: str = "images") -> Iterator[Step]:
    """Show the progress of the step `words` over `total` units while the context is open."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=CONSOLE, transient=True, disable=not CONSOLE.is_terminal) as progress:
        yield Step(progress, progress.add_task(words, total=total, note=""), unit=unit)


def tracked(items: Iterable[Item], words: str, *, total: int, unit: str = "images") -> Iterator[Item]:
    """The items, with the progress of the loop over them."""
    with long_step(words, total=total, unit=unit) as step:
        for item in items:
            yield item
            step.advance()


class _Rate(ProgressColumn):
    """Units a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} {self._unit}/s" if task.speed else "")


def _line(task: Task, *, unit: str, note: str) -> str:
    parts = [f"{task.description}: {task.completed:.0f} of {task.total:.0f} {unit}"]
    if task.speed:
        parts.append(f"{task.speed:.1f} a second")
    if task.time_remaining is not None:
        parts.append(f"{timedelta(seconds=round(task.time_remaining))} left")
    return ", ".join([*parts, note] if note else parts)
