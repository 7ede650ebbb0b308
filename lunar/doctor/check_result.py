"""One line of the report of `lunar doctor`."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was looked at, how it is, and in words. A failed one keeps the service from answering."""

    subject: str
    level: Level
    words: str

    def __str__(self) -> str:
        mark = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}[self.level]
        return f"{mark}  {self.subject:10}  {self.words}"
