"""One process at a time trains into a folder of checkpoints."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"

log = logging.getLogger(__name__)


class RunInUse(RuntimeError):
    """Another process trains into the same folder; the message names folder and process."""


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a folder, which is created. The lock of a killed process is free.

    Raises RunInUse if another process holds the lock; with `wait`, waits for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = f"process {file.read().strip() or 'unknown'}"
            if not wait:
                raise RunInUse(f"{folder} is in use: {holder} trains the same run. Wait for it or stop it.") from error
            log.info("waiting for %s, which trains into %s", holder, folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
