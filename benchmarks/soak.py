"""python -m benchmarks.soak [--seconds 600]: twice the capacity; a third of the requests is bad or broken off.

The starter in a process of its own. First the capacity alone: four clients with good images; then what the other kinds
of requests cost, each alone, in processor time of the service. Then, open loop, twice as many requests a second, and a
burst at the start: good images, mutated ones, and uploads that break off or hang up before the answer. /health/live is
asked ten times a second. Prints one JSON line; exits with 1 if an answer was neither 2xx, 4xx nor 503, or if memory,
threads or file handles grew.

`goodput_of_capacity_left` compares the good answers with what the processors could still give: the capacity less the
cost of what is not good (benchmarks.harness.costs), and less what the load generator takes.
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
from functools import partial
from pathlib import Path

import httpx2
import numpy as np

from benchmarks.harness.costs import capacity_left, spent_by
from benchmarks.harness.footprint import Footprint
from inference.bundle.storage import open_bundle
from inference.registry.__main__ import register_starter
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.lesion_images import lesion
from tests.support.mutations import mutations
from tests.support.paths import STARTER
from tests.support.service_process import service_process
from tests.support.waiting import LIMIT_S

WHOLE_S = 60.0  # a shorter run measures capacity and costs in proportion
CAPACITY_S, WARM_UP_S = 8.0, 5.0
REST_S = 60.0  # after the load, for connections to be closed; on a quiet machine it takes two
OVERLOAD = 2.0
BURST = 100  # more at once than there are places, so that it is an overload even if the capacity grows meanwhile
COSTS, COST_S = ("bad", "refused", "broken off"), 4.0  # of one that hung up at least what one costs that broke off
KINDS = {"good": 0.67, "bad": 0.15, "broken off": 0.09, "hung up": 0.09}
GROWTH = {"resident_mb": 60.0, "threads": 4, "handles": 40}


@dataclass
class Tally:
    """What came back: statuses by kind of request, and milliseconds."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    answered_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)
    live_ms: list[float] = field(default_factory=list)

    def bad(self, sent: int) -> dict[str, int]:
        """How many of the requests that were sent were not good, by COSTS. Clients that left have no status."""
        refused = sum(count for status, count in self.statuses.items() if status.endswith(" 503"))
        answered = (
            sum(count for status, count in self.statuses.items() if status.startswith("bad "))
            - (self.statuses["bad 503"])
        )
        return {"bad": answered, "refused": refused, "broken off": sent - self.statuses.total()}

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
    share = min(1.0, seconds / WHOLE_S)
    alone = await spent_by(pid, partial(_capacity, address, CAPACITY_S * share))
    rate = OVERLOAD * alone.per_second
    costs = {kind: (await spent_by(pid, partial(_only, address, kind, COST_S * share))).each for kind in COSTS}
    await _overload(address, Tally(), rate=rate, seconds=WARM_UP_S * share)
    before, tally = await _at_rest(pid), Tally()
    load = await spent_by(pid, partial(_overload, address, tally, rate=rate, seconds=seconds))
    after = await _at_rest(pid, before)
    bad = {kind: (count / seconds, costs[kind]) for kind, count in tally.bad(load.times).items()}
    left = capacity_left(alone, load, bad)
    goodput = tally.statuses["good 200"] / seconds
    report = {
        "benchmark": "soak",
        "seconds": seconds,
        "capacity_per_second": round(alone.per_second, 1),
        "sent_per_second": round(load.times / seconds, 1),
        "goodput_per_second": round(goodput, 1),
        "goodput_of_capacity": round(goodput / alone.per_second, 2),
        "milliseconds_of_processor": {"good": round(1000 * alone.each, 2)}
        | {kind: round(1000 * cost, 2) for kind, cost in costs.items()},
        "capacity_left_per_second": round(left, 1),
        "goodput_of_capacity_left": round(goodput / left, 2),
        "generator_cores": round(load.generator_cores, 2),  # which it takes from the service
        "statuses": dict(sorted(tally.statuses.items())),
        "milliseconds": {
            name: {f"p{p}": round(float(np.percentile(values, p)), 1) for p in (50, 99)}
            for name, values in tally.times().items()
            if values
        },
        "before": asdict(before),
        "after": asdict(after),
    }
    return report, tally.wrong + _grown(before, after)


def _grown(before: Footprint, after: Footprint) -> list[str]:
    growth = {name: getattr(after, name) - getattr(before, name) for name in GROWTH}
    return [f"{name} grew by {growth[name]:g}" for name, most in GROWTH.items() if growth[name] > most]


def _client(address: str) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
    return httpx2.AsyncClient(base_url=address, timeout=LIMIT_S, limits=limits)


async def _capacity(address: str, seconds: float) -> int:
    """Good images with four clients that each wait for their answer; how many were answered."""
    image, answered, end = lesion(width=600, height=450), 0, time.monotonic() + seconds

    async def ask(client: httpx2.AsyncClient) -> None:
        nonlocal answered
        while time.monotonic() < end:
            (await client.post("/predict", content=image)).raise_for_status()
            answered += 1

    async with _client(address) as client:
        await asyncio.gather(*(ask(client) for _ in range(4)))
    return answered


async def _only(address: str, kind: str, seconds: float) -> int:
    """Requests of one kind that does not count as good, four at a time; how many."""
    bad, sent, end = list(mutations(500)), 0, time.monotonic() + seconds
    good = lesion(width=600, height=450)

    async def ask(client: httpx2.AsyncClient) -> None:
        nonlocal sent
        while time.monotonic() < end:
            sent += 1
            if kind == "broken off":
                await _leave(address, good, kind)
            elif kind == "refused":  # as early as when every place is taken
                await client.post("/predict?tta=3", content=good)
            else:
                await client.post("/predict", content=bad[sent % len(bad)])

    async with _client(address) as client:
        await asyncio.gather(*(ask(client) for _ in range(4)))
    return sent


async def _overload(address: str, tally: Tally, *, rate: float, seconds: float) -> int:
    """Send at a fixed rate, whatever comes back; how many requests."""
    async with _client(address) as client:
        return await _send(client, address, tally, rate=rate, seconds=seconds)


async def _send(client: httpx2.AsyncClient, address: str, tally: Tally, *, rate: float, seconds: float) -> int:
    generator = random.Random(1)  # noqa: S311 - repeatable on purpose
    good, bad = lesion(width=600, height=450), list(mutations(500))
    tasks: set[asyncio.Task[None]] = set()
    began, sent = time.monotonic(), 0
    watching = asyncio.create_task(_watch(client, tally, until=began + seconds))
    while (now := time.monotonic()) < began + seconds:
        for _ in range(BURST + int((now - began) * rate) - sent):
            (kind,) = generator.choices(list(KINDS), list(KINDS.values()))
            data = generator.choice(bad) if kind == "bad" else good
            work = _ask(client, data, kind, tally) if kind in ("good", "bad") else _leave(address, data, kind)
            task = asyncio.create_task(work)
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        await asyncio.sleep(0.005)
    await asyncio.gather(*tasks, watching)
    return sent


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


async def _at_rest(pid: int, before: Footprint | None = None) -> Footprint:
    """Two seconds after the last request, or later, if more is held than before."""
    end = time.monotonic() + REST_S
    await asyncio.sleep(2)
    while (found := Footprint.of(pid)) and before and _grown(before, found) and time.monotonic() < end:
        await asyncio.sleep(1)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    raise SystemExit(main(parser.parse_args().seconds))
