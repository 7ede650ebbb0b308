"""A process and what it has started: which processes, and their memory."""

from contextlib import suppress
from pathlib import Path


def descendants(pid: int) -> set[int]:
    """The processes that a process has started, directly or not, and that still run."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            name_and_rest = stat.read_text().rpartition(")")
            parents[int(stat.parent.name)] = int(name_and_rest[2].split()[1])
    found, last = {pid}, set[int]()
    while found != last:
        last, found = found, found | {child for child, parent in parents.items() if parent in found}
    return found - {pid}


def memory_mb(pid: int) -> float:
    """Resident memory of a process and its descendants; what several share counts once (PSS)."""
    total = 0
    for each in (pid, *descendants(pid)):
        with suppress(OSError):
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
            total += int(rollup.partition("\nPss:")[2].split()[0])
    return total / 1024
