"""The real service while decoders crash, hang, spin and allocate on purpose: no other request fails."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support import http, traps
from tests.support.homes import copy_home
from tests.support.lesion_images import lesion
from tests.support.process_tree import descendants
from tests.support.scrape import Scrape
from tests.support.service_process import service_process
from tests.support.waiting import wait_for

CLIENTS, GOOD_EACH = 8, 12
# On a busy machine the deadline may come before the limit of processor time.
STATUS = {traps.SEGFAULT: {422}, traps.SPIN: {422, 503}, traps.ALLOCATE: {422}, traps.HANG: {503}}


def test_others_are_answered_while_decoders_die(starter_home: Path, tmp_path: Path) -> None:
    home = copy_home(starter_home, tmp_path / "home")
    program = ("-m", "tests.support.trapped_service")
    with (
        service_process(home, program=program, decoders="3", decode_timeout_s="8") as (address, process),
        http.Client() as client,
    ):

        def predict(data: bytes) -> int:
            return client.post(f"{address}/predict", content=data).status_code

        def call_often(_: int) -> list[int]:
            return [predict(lesion()) for _ in range(GOOD_EACH)]

        before = len(descendants(process.pid))
        with ThreadPoolExecutor(CLIENTS + len(STATUS)) as threads:
            good = [threads.submit(call_often, number) for number in range(CLIENTS)]
            trapped = dict(zip(STATUS, threads.map(predict, STATUS), strict=True))
            answers = Counter(status for each in good for status in each.result())
        assert [trap for trap, status in trapped.items() if status not in STATUS[trap]] == [], trapped
        assert answers == {200: CLIENTS * GOOD_EACH}
        with http.Client(base_url=address) as based:
            killed = Scrape(based)
        assert killed("lunar_decoders_killed_total", cause="crash") == 1
        assert killed("lunar_decoders_killed_total") == 3
        wait_for(lambda: len(descendants(process.pid)) == before, "as many decoders as before")
        left = descendants(process.pid)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), "nothing outlives the service")
