"""How long the steps of a request took: noted while it is answered, told to Prometheus and to a trace afterwards."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Name = Literal["decode", "queue", "inference", "explain"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step, from `began` to `ended` of time.perf_counter(), in seconds."""

    name: Name
    began: float
    ended: float


@dataclass(slots=True)
class Steps:
    """The steps that have ended, in the order of their ends. Any thread may note one."""

    ended: list[Step] = field(default_factory=list)

    def note(self, name: Name, *, began: float, ended: float) -> None:
        """Note a step that has ended."""
        self.ended.append(Step(name, began, ended))

    def end(self, name: Name, *, began: float) -> None:
        """Note a step that ends now."""
        self.note(name, began=began, ended=time.perf_counter())

    @contextmanager
    def timed(self, name: Name) -> Iterator[None]:
        """Note what happens inside, whether it succeeds or not."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.end(name, began=began)
