import asyncio
import threading

import pytest

from service.batching import Lane
from service.errors import Overloaded


def test_results_and_errors_come_back() -> None:
    async def walk() -> None:
        lane = Lane(max_waiting=4)
        assert await lane.submit(lambda a, b: a + b, 1, b=2) == 3
        with pytest.raises(ZeroDivisionError):
            await lane.submit(lambda: 1 // 0)
        assert await lane.submit(lambda: "still alive") == "still alive"
        lane.close()

    asyncio.run(walk())


def test_more_than_may_wait_are_refused_at_once_and_places_come_free() -> None:
    async def walk() -> None:
        lane, gate = Lane(max_waiting=2), threading.Event()
        accepted = [asyncio.create_task(lane.submit(gate.wait)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded, match="2 requests are waiting"):
            await lane.submit(gate.wait)
        gate.set()
        assert await asyncio.gather(*accepted) == [True] * 3
        assert await lane.submit(lambda: 1) == 1
        lane.close()

    asyncio.run(walk())


def test_one_call_at_a_time() -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.01)
        inside -= 1

    async def walk() -> None:
        lane = Lane(max_waiting=8)
        await asyncio.gather(*(lane.submit(work) for _ in range(8)))
        lane.close()

    asyncio.run(walk())
    assert most == 1


def test_cancelled_work_is_never_started_and_frees_its_place() -> None:
    async def walk() -> None:
        lane, gate, started = Lane(max_waiting=1), threading.Event(), threading.Event()
        running = asyncio.create_task(lane.submit(gate.wait))
        waiting = asyncio.create_task(lane.submit(started.set))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.sleep(0.05)
        after = asyncio.create_task(lane.submit(lambda: "after"))
        await asyncio.sleep(0.05)
        gate.set()
        assert await running
        assert await after == "after"
        assert not started.is_set()
        lane.close()

    asyncio.run(walk())
