"""The audit file: the request log, append-only, readable by its owner alone, with a new file every day."""

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path

log = logging.getLogger(__name__)
UNAUDITED = ("/health/", "/static/", "/docs/assets/")  # frequent requests without images


class AuditFile(TimedRotatingFileHandler):
    """Rotates at midnight UTC; keeps the files of the last `days` days before today.

    Several processes may write to one path: whoever is first at midnight renames the file, under a lock that only their
    user can take, and the others go on in the new one. The class of the standard library would delete the day that is
    renamed already.
    """

    def __init__(self, path: Path, *, days: int) -> None:
        """Raises OSError."""
        super().__init__(path, when="midnight", utc=True, backupCount=days, encoding="utf-8")
        self.addFilter(_is_audited)

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        """Whether midnight has passed, or another process has renamed the file."""
        return bool(super().shouldRollover(record)) or self._is_elsewhere()

    def doRollover(self) -> None:
        """Rename the file after its day, unless another process has done that; write to the new one.

        If it cannot be renamed, it gets the next day too. If the new one cannot be opened, the next record tries again.
        """
        failure = self._put_away()
        self.rolloverAt = self.computeRollover(int(time.time()))
        stream, self.stream = self.stream, None
        if stream:
            stream.close()
        if failure:
            log.warning("the audit file cannot be put away", extra={"reason": str(failure)})
        self.stream = self._open()

    def _put_away(self) -> OSError | None:
        """Rename the file and delete the oldest ones; the error if that fails."""
        path = Path(self.baseFilename)
        try:
            with _locked(path.with_name(f".{path.name}.lock")):
                if not self._is_elsewhere():
                    _move(path, Path(f"{path}.{self._day()}"))
                    for old in self.getFilesToDelete():
                        Path(old).unlink(missing_ok=True)
        except OSError as error:
            return error
        return None

    def _day(self) -> str:
        return time.strftime(self.suffix, time.gmtime(self.rolloverAt - self.interval))

    def _is_elsewhere(self) -> bool:
        """Whether the open file is no longer the one at the path."""
        if self.stream is None:
            return False
        try:
            return not os.path.samestat(os.fstat(self.stream.fileno()), Path(self.baseFilename).stat())
        except FileNotFoundError:
            return True

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", opener=_open_private)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process at a time; waits for the others. Whoever may read a file can lock it: this one is private."""
    descriptor = _open_private(str(path), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _move(source: Path, target: Path) -> None:
    """Rename; if the day has a file already, for instance after the clock was set back, append to it."""
    if not target.exists():
        source.rename(target)
        return
    with source.open("rb") as read, target.open("ab") as written:
        shutil.copyfileobj(read, written)
    source.unlink()


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_audited(record: logging.LogRecord) -> bool:
    return not str(getattr(record, "path", "")).startswith(UNAUDITED)
