import asyncio
import threading

import pytest

from service.lane import Lane


def test_results_and_errors_come_back() -> None:
    async def walk() -> None:
        lane = Lane(workers=1, name="test")
        assert await lane.submit(lambda a, b: a + b, 1, b=2) == 3
        with pytest.raises(ZeroDivisionError):
            await lane.submit(lambda: 1 // 0)
        assert await lane.submit(lambda: "still alive") == "still alive"
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
        lane = Lane(workers=1, name="test")
        await asyncio.gather(*(lane.submit(work) for _ in range(8)))
        lane.close()

    asyncio.run(walk())
    assert most == 1


def test_cancelled_work_is_never_started() -> None:
    async def walk() -> None:
        lane, gate, started = Lane(workers=1, name="test"), threading.Event(), threading.Event()
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
