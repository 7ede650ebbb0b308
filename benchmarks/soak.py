"""python -m benchmarks.soak [--seconds 600]: twice the load that the service can bear, a third of it bad or broken off.

The starter in a process of its own. First the capacity alone: four clients with good images. Then, open loop, twice as
many requests a second: good images, mutated ones, and uploads that break off or hang up before the answer. /health/live
is asked ten times a second. Prints one JSON line; exits with 1 if an answer was neither 2xx, 4xx nor 503, or if memory,
threads or file handles grew.
"""

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx2
import numpy as np

from inference.bundle import open_bundle
from inference.registry import Registry, register_starter
from inference.settings import RegistrySettings
from tests.mutations import mutations
from tests.running import STARTER, service_process
from tests.service.conftest import lesion

CAPACITY_S, WARM_UP_S = 8.0, 5.0
OVERLOAD = 2.0
KINDS = {"good": 0.67, "bad": 0.15, "broken off": 0.09, "hung up": 0.09}
GROWTH = {"resident_mb": 60.0, "threads": 4, "handles": 40}


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process holds."""

    resident_mb: float
    threads: int
    handles: int

    @classmethod
    def of(cls, pid: int) -> "Footprint":
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        handles = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), handles)


@dataclass
class Tally:
    """What came back: statuses by kind of request, and milliseconds."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    answered_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)
    live_ms: list[float] = field(default_factory=list)

    def times(self) -> dict[str, list[float]]:
        """Milliseconds by what came back."""
        return {"answered": self.answered_ms, "refused": self.refused_ms, "live": self.live_ms}


def main(seconds: float) -> int:
    """Run and print; 1 if the service did what it must not."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        register_starter(Registry(RegistrySettings(home=home)), open_bundle(STARTER), alias="champion")
        with service_process(home) as (address, process):
            report, wrong = asyncio.run(soak(address, process.pid, seconds))
    print(json.dumps(report))
    for complaint in wrong:
        print(complaint, file=sys.stderr)
    return 1 if wrong else 0


async def soak(address: str, pid: int, seconds: float) -> tuple[dict[str, object], list[str]]:
    """The report, and what was wrong."""
    capacity = await _capacity(address)
    await _overload(address, Tally(), rate=OVERLOAD * capacity, seconds=WARM_UP_S)
    before = await _at_rest(pid)
    tally, spent = Tally(), time.process_time()
    lost = await _overload(address, tally, rate=OVERLOAD * capacity, seconds=seconds)
    spent = time.process_time() - spent
    after = await _at_rest(pid)
    goodput = tally.statuses["good 200"] / seconds
    report = {
        "benchmark": "soak",
        "seconds": seconds,
        "capacity_per_second": round(capacity, 1),
        "sent_per_second": round((sum(tally.statuses.values()) + lost) / seconds, 1),
        "goodput_per_second": round(goodput, 1),
        "goodput_of_capacity": round(goodput / capacity, 2),
        "generator_cores": round(spent / seconds, 2),  # which it takes from the service
        "statuses": dict(sorted(tally.statuses.items())),
        "milliseconds": {
            name: {f"p{p}": round(float(np.percentile(values, p)), 1) for p in (50, 99)}
            for name, values in (
                ("answered", tally.answered_ms),
                ("refused", tally.refused_ms),
                ("live", tally.live_ms),
            )
            if values
        },
        "before": asdict(before),
        "after": asdict(after),
    }
    growth = {name: getattr(after, name) - getattr(before, name) for name in GROWTH}
    grown = [f"{name} grew by {growth[name]:g}" for name, most in GROWTH.items() if growth[name] > most]
    return report, tally.wrong + grown


def _client(address: str) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
    return httpx2.AsyncClient(base_url=address, timeout=60, limits=limits)


async def _capacity(address: str) -> float:
    """Good images a second with four clients that each wait for their answer."""
    image, answered, end = lesion(width=600, height=450), 0, time.monotonic() + CAPACITY_S

    async def ask(client: httpx2.AsyncClient) -> None:
        nonlocal answered
        while time.monotonic() < end:
            (await client.post("/predict", content=image)).raise_for_status()
            answered += 1

    async with _client(address) as client:
        await asyncio.gather(*(ask(client) for _ in range(4)))
    return answered / CAPACITY_S


async def _overload(address: str, tally: Tally, *, rate: float, seconds: float) -> int:
    """Send at a fixed rate, whatever comes back; how many requests got no answer on purpose."""
    async with _client(address) as client:
        return await _send(client, address, tally, rate=rate, seconds=seconds)


async def _send(client: httpx2.AsyncClient, address: str, tally: Tally, *, rate: float, seconds: float) -> int:
    generator = random.Random(1)  # noqa: S311 - repeatable on purpose
    good, bad = lesion(width=600, height=450), list(mutations(500))
    tasks: set[asyncio.Task[None]] = set()
    began, sent, lost = time.monotonic(), 0, 0
    watching = asyncio.create_task(_watch(client, tally, until=began + seconds))
    while (now := time.monotonic()) < began + seconds:
        for _ in range(int((now - began) * rate) - sent):
            (kind,) = generator.choices(list(KINDS), list(KINDS.values()))
            data = generator.choice(bad) if kind == "bad" else good
            lost += kind in ("broken off", "hung up")
            work = _ask(client, data, kind, tally) if kind in ("good", "bad") else _leave(address, data, kind)
            task = asyncio.create_task(work)
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        await asyncio.sleep(0.005)
    await asyncio.gather(*tasks, watching)
    return lost


async def _ask(client: httpx2.AsyncClient, data: bytes, kind: str, tally: Tally) -> None:
    began = time.perf_counter()
    try:
        response = await client.post("/predict", content=data)
    except httpx2.TransportError as error:
        tally.wrong.append(f"{kind}: no answer: {error!r}")
        return
    elapsed = (time.perf_counter() - began) * 1000
    tally.statuses[f"{kind} {response.status_code}"] += 1
    if response.status_code == 503:
        tally.refused_ms.append(elapsed)
        if "Retry-After" not in response.headers:
            tally.wrong.append("a 503 without Retry-After")
    elif response.status_code >= 500 or (kind == "good" and response.status_code != 200):
        tally.wrong.append(f"{kind}: {response.status_code} {response.text[:200]}")
    elif kind == "good":
        tally.answered_ms.append(elapsed)


async def _leave(address: str, data: bytes, kind: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    writer.write(head + (data if kind == "hung up" else data[: len(data) // 2]))
    await writer.drain()
    await asyncio.sleep(0.02)
    writer.close()


async def _watch(client: httpx2.AsyncClient, tally: Tally, *, until: float) -> None:
    while time.monotonic() < until:
        began = time.perf_counter()
        (await client.get("/health/live")).raise_for_status()
        tally.live_ms.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.1)


async def _at_rest(pid: int) -> Footprint:
    await asyncio.sleep(2)  # connections are being closed
    return Footprint.of(pid)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    raise SystemExit(main(parser.parse_args().seconds))
