"""What requests cost the service: seconds of its processors, its child processes included."""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Spent:
    """How often something was done in how many seconds, and the cores that service and load generator took for it."""

    times: int
    seconds: float
    service_cores: float
    generator_cores: float

    @property
    def per_second(self) -> float:
        """How often a second."""
        return self.times / self.seconds

    @property
    def each(self) -> float:
        """Processor seconds of the service for one."""
        return self.service_cores * self.seconds / max(1, self.times)


async def spent_by(pid: int, work: Callable[[], Awaitable[int]]) -> Spent:
    """Do the work, which returns how many requests it sent, and measure it."""
    service, generator, began = cpu_seconds(pid), time.process_time(), time.perf_counter()
    times = await work()
    seconds = time.perf_counter() - began
    return Spent(
        times=times,
        seconds=seconds,
        service_cores=(cpu_seconds(pid) - service) / seconds,
        generator_cores=(time.process_time() - generator) / seconds,
    )


def capacity_left(alone: Spent, load: Spent, bad: dict[str, tuple[float, float]]) -> float:
    """Good answers a second that the processors could still give under a load with bad requests.

    `alone`: good requests only, as many as are answered. `bad`: for each other kind under the load, how many a second,
    and the processor seconds of one, measured alone. What the generator takes more than it did then is missing too.
    """
    taken = sum(rate * cost for rate, cost in bad.values()) + load.generator_cores - alone.generator_cores
    return (alone.service_cores - taken) / alone.each


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of its children that run."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(int(ticks) for ticks in fields[11:15]) / _TICKS  # user and system, its own and of children that ended
    children = (path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return own + sum(cpu_seconds(int(child)) for each in children for child in each)
