"""The request log in a file of its own: only ever appended to, readable by its owner alone, a new one a day."""

import logging
import os
from io import TextIOWrapper
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path

UNAUDITED = ("/health/", "/static/", "/docs/assets/")  # nobody's images, and asked for all the time


class AuditFile(TimedRotatingFileHandler):
    """Days end at midnight UTC; `days` is how many files before today's are kept."""

    def __init__(self, path: Path, *, days: int) -> None:
        """Raises OSError."""
        super().__init__(path, when="midnight", utc=True, backupCount=days, encoding="utf-8")
        self.addFilter(_is_audited)

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", opener=_open_private)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_audited(record: logging.LogRecord) -> bool:
    return not str(getattr(record, "path", "")).startswith(UNAUDITED)
