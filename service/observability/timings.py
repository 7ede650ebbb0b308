"""Timings of a request's steps, for metrics and traces."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Name = Literal["decode", "queue", "inference", "explain"]


@dataclass(frozen=True, slots=True)
class Timing:
    """One step, from `began` to `ended` by time.perf_counter(), in seconds."""

    name: Name
    began: float
    ended: float


@dataclass(slots=True)
class Timings:
    """The steps that have ended, in the order of their ends. Every thread may add one."""

    ended: list[Timing] = field(default_factory=list)

    def note(self, name: Name, *, began: float, ended: float) -> None:
        """Add a step that has ended."""
        self.ended.append(Timing(name, began, ended))

    def end(self, name: Name, *, began: float) -> None:
        """Add a step that ends now."""
        self.note(name, began=began, ended=time.perf_counter())

    @contextmanager
    def timed(self, name: Name) -> Iterator[None]:
        """Time the block, whether it succeeds or not."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.end(name, began=began)
