"""The service and its decoders together, while clients send the largest pictures at once."""

from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from tests.support import http
from tests.support.homes import copy_home
from tests.support.hostile_files import png_rgba
from tests.support.process_tree import memory_mb
from tests.support.service_process import service_process

CLIENTS = 4
LIMIT_MB = 1200


def test_the_largest_pictures_at_once_take_a_bounded_memory(starter_home: Path, tmp_path: Path) -> None:
    """50 megapixels with transparency: the decoded picture alone is 200 MB."""
    picture = png_rgba(10_000, 5000)
    with (
        service_process(copy_home(starter_home, tmp_path / "home"), decoders="2") as (address, process),
        http.Client() as client,
        ThreadPoolExecutor(CLIENTS) as threads,
    ):

        def send(path: str) -> int:
            return client.post(f"{address}{path}", content=picture).status_code

        calls = [threads.submit(send, path) for path in ("/predict", "/explain?render=heatmap") * (CLIENTS // 2)]
        most = 0.0
        while wait(calls, timeout=0.05).not_done:
            most = max(most, memory_mb(process.pid))
        assert [call.result() for call in calls] == [200] * CLIENTS
        assert 200 < most < LIMIT_MB
