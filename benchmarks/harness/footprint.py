"""What a process holds."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Footprint:
    """Resident memory, threads and file handles."""

    resident_mb: float
    threads: int
    handles: int

    @classmethod
    def of(cls, pid: int) -> "Footprint":
        """The process at this moment."""
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        handles = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), handles)
