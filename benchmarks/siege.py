"""python -m benchmarks.siege [--seconds 10] [--rounds 3]: do clients that misbehave harm those that do not?

The service with the starter, keys and a page. Four good clients, two with a key and two at the page, ask for a
prediction, and again PAUSE_S after the answer: alone, then while all attacks of benchmarks.harness.attackers run at
once, ROUNDS times in turn. /health/live is asked ten times a second. Then SIGTERM, in the middle of the siege. Prints
one JSON line; exits with 1 if good clients got less than LEAST_SHARE of their quiet rate (the median of the rounds), if
the 99th percentile of /health/live or the growth of memory is above its limit, if a request that was sent before
SIGTERM got no answer, or if the end took longer than END_S.
"""

import argparse
import asyncio
import json
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import numpy as np

from benchmarks.harness.attackers import OPEN
from benchmarks.harness.footprint import Footprint
from benchmarks.harness.measuring import machine
from inference.bundle.storage import open_bundle
from inference.registry.__main__ import register_starter
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from service.security.api_key import new_key
from tests.support.lesion_images import lesion
from tests.support.paths import ROOT, STARTER
from tests.support.service_process import service_process
from tests.support.waiting import LIMIT_S

PAUSE_S = 0.2
ROUNDS = 3
LEAST_SHARE, LIVE_P99_MS, GROWTH_MB, END_S = 0.90, 250.0, 100.0, 30.0
BEFORE_SIGTERM_S = 0.1  # a request that began earlier has been sent


@dataclass
class Tally:
    """What the good clients got in one phase."""

    statuses: Counter[str] = field(default_factory=Counter)
    live_ms: list[float] = field(default_factory=list)
    stopped_at: float = float("inf")  # of time.monotonic()
    lost: int = 0


def main(seconds: float, rounds: int) -> int:
    """Run and print; 1 if a limit was not kept."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    (good, key), (bad, bad_key) = new_key("good", "user"), new_key("bad", "user")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        register_starter(Registry(RegistrySettings(home=home)), open_bundle(STARTER), alias="champion")
        keys = f"{good.line} {bad.line}"
        with service_process(home, keys=keys, rate_limit="off", request_timeout_s="30") as (address, process):
            report = asyncio.run(_siege(address, process, key, bad_key, seconds=seconds, rounds=rounds))
    complaints = _complaints(report)
    print(json.dumps(report | {"complaints": complaints}))
    return 1 if complaints else 0


async def _siege(
    address: str, process: "subprocess.Popen[bytes]", key: str, bad_key: str, *, seconds: float, rounds: int
) -> dict[str, object]:
    image = lesion(width=600, height=450)
    async with httpx2.AsyncClient(base_url=address, timeout=LIMIT_S) as browser:
        cookie = (await browser.get("/")).headers["set-cookie"].partition(";")[0]
    attackers, got = Attackers(address, cookie, bad_key), Counter[str]()
    quiet, besieged = Tally(), Tally()
    await _ask_for(address, seconds, Tally(), key, image)  # warms up
    shares: list[float] = []
    resident: list[float] = []
    for _ in range(rounds):
        alone = await _ask_for(address, seconds, quiet, key, image)
        with attackers.running(got):
            shares.append(await _ask_for(address, seconds, besieged, key, image) / alone)
            resident.append(Footprint.of(process.pid).resident_mb)
    at_the_end = Tally()
    with attackers.running(got):
        ended_s = await _stop(address, process, at_the_end, key, image)
    return {
        "benchmark": "siege",
        "seconds": seconds,
        "quiet_per_second": round(quiet.statuses["200"] / seconds / rounds, 2),
        "besieged_per_second": round(besieged.statuses["200"] / seconds / rounds, 2),
        "shares": [round(share, 3) for share in shares],
        "share": round(statistics.median(shares), 3),
        "statuses": dict(besieged.statuses),
        "live_ms": {f"p{p}": round(float(np.percentile(besieged.live_ms, p)), 1) for p in (50, 99)},
        "resident_mb": [round(megabytes) for megabytes in resident],
        "attackers_got": dict(sorted(got.items())),
        "sigterm": {"seconds": round(ended_s, 1), "lost": at_the_end.lost, "answered": at_the_end.statuses["200"]},
        "machine": machine(),
    }


@dataclass(frozen=True, slots=True)
class Attackers:
    """The process of the attackers, which may be started several times."""

    address: str
    cookie: str
    key: str

    @contextmanager
    def running(self, got: Counter[str]) -> Iterator[None]:
        """From the moment at which every connection has been opened to its end; adds what the attackers got."""
        command = [sys.executable, "-m", "benchmarks.harness.attackers", self.address, self.cookie, self.key]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as attack:
            try:
                if not attack.stdout or attack.stdout.readline().strip() != OPEN:
                    raise RuntimeError("the attackers opened no connections")
                yield
            finally:
                attack.terminate()
                printed, _ = attack.communicate(timeout=LIMIT_S)
        got.update(json.loads(printed))


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _ask_for(address: str, seconds: float, tally: Tally, key: str, image: bytes) -> float:
    """Four good clients and a health check, for some seconds; how many answers a second they got.

    At least until both have an answer: on a busy machine the first one may take longer than that.
    """
    before, began = tally.statuses["200"], time.monotonic()
    ended, looked = tally.statuses.total(), len(tally.live_ms)
    asking = asyncio.create_task(_ask(address, tally, key, image))
    await asyncio.sleep(seconds)
    while tally.statuses.total() == ended or len(tally.live_ms) == looked:
        await asyncio.sleep(0.05)
    answered, passed = tally.statuses["200"] - before, time.monotonic() - began
    await _end(asking)
    return answered / passed


async def _stop(address: str, process: "subprocess.Popen[bytes]", tally: Tally, key: str, image: bytes) -> float:
    """SIGTERM while everybody asks; after how many seconds the process has ended."""
    asking = asyncio.create_task(_ask(address, tally, key, image))
    await asyncio.sleep(2)
    began = tally.stopped_at = time.monotonic()
    process.send_signal(signal.SIGTERM)
    while process.poll() is None and time.monotonic() - began < 2 * END_S:
        await asyncio.sleep(0.05)
    ended = time.monotonic() - began
    await _end(asking)
    return ended


async def _ask(address: str, tally: Tally, key: str, image: bytes) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(_good_client(address, tally, key if number % 2 else None, image))
        group.create_task(_watch(address, tally))


async def _good_client(address: str, tally: Tally, key: str | None, image: bytes) -> None:
    """With a key, or at the page with its cookie."""
    headers = {"X-API-Key": key} if key else {}
    async with httpx2.AsyncClient(base_url=address, timeout=LIMIT_S, headers=headers) as client:
        if key is None:
            await client.get("/")
        while True:
            began = time.monotonic()
            try:
                response = await client.post("/predict" if key else "/result", content=image)
                tally.statuses[str(response.status_code)] += 1
            except httpx2.TransportError as error:
                tally.lost += began < tally.stopped_at - BEFORE_SIGTERM_S
                tally.statuses[type(error).__name__] += 1
            await asyncio.sleep(PAUSE_S)


async def _watch(address: str, tally: Tally) -> None:
    async with httpx2.AsyncClient(base_url=address, timeout=LIMIT_S) as client:
        while time.monotonic() < tally.stopped_at:
            began = time.perf_counter()
            try:
                (await client.get("/health/live")).raise_for_status()
                tally.live_ms.append((time.perf_counter() - began) * 1000)
            except httpx2.TransportError:
                tally.live_ms.append(1000 * LIMIT_S)
            await asyncio.sleep(0.1)


def _complaints(report: dict[str, object]) -> list[str]:
    live, end = (dict(report[name]) for name in ("live_ms", "sigterm"))  # type: ignore[call-overload]
    resident: list[float] = list(report["resident_mb"])  # type: ignore[call-overload]
    grown = resident[-1] - resident[0]
    checks = {
        f"good clients got {report['share']} of their quiet rate": float(str(report["share"])) < LEAST_SHARE,
        f"/health/live took {live['p99']} ms": live["p99"] > LIVE_P99_MS,
        f"memory grew by {grown} MB": grown > GROWTH_MB,
        f"{end['lost']} accepted requests were lost": end["lost"] > 0,
        f"SIGTERM took {end['seconds']} s": end["seconds"] > END_S,
    }
    return [words for words, wrong in checks.items() if wrong]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each phase; default: 10")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    sys.exit(main(**vars(parser.parse_args())))
