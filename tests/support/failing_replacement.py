"""python -m tests.support.failing_replacement FOLDER STATE MANNER: replace a bundle, and fail at every step in turn.

In FOLDER/1, FOLDER/2, ... a process of its own fails before its first, second, ... access to the disk, until one ends
without a failure. Python's audit events announce each access. Prints what each process failed at, one line each.
"""

import errno
import os
import sys
from pathlib import Path

from inference.bundle.replacement import NotReplaceable, replace_bundle
from inference.bundle.storage import InvalidBundle
from tests.support.fakes import write_fake_bundle

CHANGES = ("os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree")
WRITING = os.O_WRONLY | os.O_RDWR
FAILED = 9


class FailingDisk:
    """An audit hook that fails once, at the `step`th access below a folder.

    The manner is `kill` (this process ends, with nothing tidied), `error` (of the disk) or `interrupt` (Ctrl+C).
    """

    def __init__(self, step: int, folder: Path, manner: str) -> None:
        self._step, self._folder, self._manner = step, folder, manner
        self._seen = 0
        self.failed = False

    def __call__(self, event: str, details: tuple[object, ...]) -> None:
        if not self._counts(event, details):
            return
        self._seen += 1
        if self._seen != self._step:
            return
        self.failed = True
        print(self._step, event, *details, flush=True)
        if self._manner == "kill":
            os._exit(FAILED)
        raise KeyboardInterrupt if self._manner == "interrupt" else OSError(errno.EIO, os.strerror(errno.EIO))

    def _counts(self, event: str, details: tuple[object, ...]) -> bool:
        """Python and NumPy also open files of their own; a kill between two changes is one wherever it falls."""
        if event != "open":
            return event in CHANGES
        path, _, flags = details
        return str(path).startswith(f"{self._folder}/") and (self._manner != "kill" or bool(int(flags) & WRITING))


def attempt(step: int, folder: Path, *, state: str, manner: str) -> bool:
    """In a process of its own, onto a target that is a `bundle`, `empty` or `missing`; whether it failed."""
    target = folder / "bundle"
    (target if state == "empty" else folder).mkdir(parents=True)
    if state == "bundle":
        write_fake_bundle(target, seed=1)
    child = os.fork()
    if child == 0:
        disk = FailingDisk(step, folder, manner)
        sys.addaudithook(disk)
        try:
            replace_bundle(target, lambda staging: write_fake_bundle(staging, seed=2))
        except (KeyboardInterrupt, OSError, NotReplaceable, InvalidBundle):
            os._exit(FAILED)
        os._exit(FAILED if disk.failed else 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == FAILED


def main(folder: Path, state: str, manner: str) -> None:
    """Step after step."""
    step = 1
    while attempt(step, folder / str(step), state=state, manner=manner):
        step += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
