"""Rubbish against the real service: it answers all of it, says nothing on stderr, and does not grow."""

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import httpx2

from tests.mutations import mutations
from tests.running import service_process

COUNT = int(os.environ.get("LUNAR_FUZZ", "1000"))  # `make fuzz` sends more
ALLOWED = {200, 400, 413, 415, 422}
GROWTH_MB = 60


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def test_mutated_images(starter_home: Path) -> None:
    log = starter_home / "service.log"
    with service_process(starter_home) as (address, process), httpx2.Client(timeout=60) as client:

        def send(data: bytes) -> tuple[int, bytes]:
            return client.post(f"{address}/predict", content=data).status_code, data

        found: Counter[int] = Counter()
        files = mutations(COUNT)
        with ThreadPoolExecutor(4) as pool:
            for data in islice(files, COUNT // 5):
                status, _ = send(data)
                found[status] += 1
            before = resident_mb(process.pid)
            for status, data in pool.map(send, files):
                found[status] += 1
                assert status in ALLOWED, (status, data)
        after = resident_mb(process.pid)
    assert found.keys() <= ALLOWED, found
    assert min(found[200], found[415], found[422]) > COUNT / 50, "the mutations are too tame or too wild"
    assert after < before + GROWTH_MB, f"{before:.0f} MB, then {after:.0f} MB"
    for line in log.read_text().splitlines():
        assert line.startswith("Lunar: http") or json.loads(line)["level"] == "info", line
