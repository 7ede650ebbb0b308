"""Rubbish against the real service: it answers all of it, says nothing on stderr, and does not grow."""

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from tests.support import http
from tests.support.homes import copy_home
from tests.support.mutations import mutations
from tests.support.process_tree import descendants, memory_mb
from tests.support.scrape import Scrape
from tests.support.service_process import service_process
from tests.support.waiting import LIMIT_S, wait_for

COUNT = int(os.environ.get("LUNAR_FUZZ", "2000"))  # `make fuzz` sends more
ALLOWED = {200, 400, 413, 415, 422}
GROWTH_MB = 60


def test_mutated_images(starter_home: Path, tmp_path: Path) -> None:
    home = copy_home(starter_home, tmp_path / "home")
    log = home / "service.log"
    limit = f"{LIMIT_S:g}"  # of decoding: the usual one may pass on a busy machine
    with service_process(home, decode_timeout_s=limit) as (address, process), http.Client() as client:

        def send(data: bytes) -> tuple[int, bytes]:
            return client.post(f"{address}/predict", content=data).status_code, data

        found: Counter[int] = Counter()
        files = mutations(COUNT)
        with ThreadPoolExecutor(4) as pool:
            for data in islice(files, COUNT // 5):
                status, _ = send(data)
                found[status] += 1
            before, decoders = memory_mb(process.pid), len(descendants(process.pid))
            for status, data in pool.map(send, files):
                found[status] += 1
                assert status in ALLOWED, (status, data)
        after = memory_mb(process.pid)
        with http.Client(base_url=address) as based:
            assert Scrape(based)("lunar_decoders_killed_total") == 0
        wait_for(lambda: len(descendants(process.pid)) == decoders, "as many decoders as before")
    assert found.keys() <= ALLOWED, found
    assert min(found[200], found[415], found[422]) > COUNT / 50, "the mutations are too tame or too wild"
    assert after < before + GROWTH_MB, f"{before:.0f} MB, then {after:.0f} MB"
    for line in log.read_text().splitlines():
        assert line.startswith("Lunar: http") or json.loads(line)["level"] == "info", line
