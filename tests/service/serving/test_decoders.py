"""Decoders in processes of their own: same pictures, bounded cost, and nobody else notices one that dies."""

import asyncio
import multiprocessing.connection
import multiprocessing.forkserver
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.imaging.errors import ImageError, UnreadableImage, UnsupportedFormat
from inference.imaging.prepared_picture import Preparation, prepare_picture
from inference.imaging.preprocessing import Preprocessing
from service.errors import DeadlineExceeded
from service.observability.metrics import Metrics
from service.serving import decoder_worker, decoders
from service.serving.decoder_worker import DecoderWorker
from service.serving.decoders import DecoderPool
from service.settings import Settings
from tests.support import traps
from tests.support.lesion_images import lesion
from tests.support.paths import ROOT
from tests.support.process_tree import descendants
from tests.support.waiting import LIMIT_S, wait_for, wait_in_loop

pytestmark = pytest.mark.slow
PREPARATION = Preparation(Preprocessing(size=32, fit="center-crop"), side=64)


def with_pool(
    walk: Callable[[DecoderPool, Metrics], Awaitable[None]],
    *,
    seconds: float = LIMIT_S,
    cpu_seconds: int = int(LIMIT_S),
) -> None:
    """`seconds` is the deadline of the first picture alone: on a busy machine, others take as long as that."""

    async def run() -> None:
        metrics = Metrics()
        pool = DecoderPool(Settings(decoders=2), metrics.decoders, traps.prepare)
        pool._limits = replace(pool._limits, seconds=LIMIT_S, cpu_seconds=cpu_seconds)
        await pool.start()
        first = pool._workers[0]
        assert first
        first._limits = replace(pool._limits, seconds=seconds)
        try:
            await walk(pool, metrics)
        finally:
            pids = pool.pids
            await pool.close()
        assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []

    asyncio.run(run())


def killed(metrics: Metrics) -> dict[str, float]:
    return {
        cause: count
        for cause in ("crash", "cpu", "deadline")
        if (count := metrics.registry.get_sample_value("lunar_decoders_killed_total", {"cause": cause}))
    }


def test_a_picture_is_the_same_in_every_process() -> None:
    expected = prepare_picture(lesion(), PREPARATION)

    async def walk(pool: DecoderPool, metrics: Metrics) -> None:
        for found in await asyncio.gather(*(pool.prepare(lesion(), PREPARATION) for _ in range(5))):
            assert (found.square == expected.square).all()
            assert (found.canvas == expected.canvas).all()
            assert found.field_of_view == expected.field_of_view
        with pytest.raises(UnsupportedFormat, match="PDF"):
            await pool.prepare(b"%PDF-1.7", PREPARATION)
        assert killed(metrics) == {}

    with_pool(walk)


@pytest.mark.parametrize(
    ("trap", "limits", "error", "cause"),
    [
        (traps.SEGFAULT, {}, UnreadableImage, "crash"),
        (traps.SPIN, {"cpu_seconds": 1}, UnreadableImage, "cpu"),
        (traps.HANG, {"seconds": 0.5}, DeadlineExceeded, "deadline"),
        (traps.DIE_IN_REPLY, {}, UnreadableImage, "crash"),
        (traps.HANG_IN_REPLY, {"seconds": 0.5}, DeadlineExceeded, "deadline"),
        (traps.ALLOCATE, {}, UnreadableImage, None),
        (traps.FAIL, {}, RuntimeError, None),
    ],
)
def test_a_fault_concerns_its_own_request(trap: bytes, limits: dict, error: type[Exception], cause: str | None) -> None:
    async def walk(pool: DecoderPool, metrics: Metrics) -> None:
        caught = asyncio.create_task(pool.prepare(trap, PREPARATION))
        await wait_in_loop(lambda: caught.done() or pool._free.qsize() == 1, "the first decoder has it")
        others = [asyncio.create_task(pool.prepare(lesion(), PREPARATION)) for _ in range(6)]
        with pytest.raises(error):
            await caught
        assert len(await asyncio.gather(*others)) == 6
        assert (await pool.prepare(lesion(), PREPARATION)).square.shape == (32, 32, 3)
        assert killed(metrics) == ({cause: 1} if cause else {})
        assert len(set(pool.pids)) == 2

    with_pool(walk, **limits)


def test_an_idle_decoder_that_dies_is_replaced() -> None:
    async def walk(pool: DecoderPool, metrics: Metrics) -> None:
        for pid in pool.pids:
            os.kill(pid, signal.SIGKILL)
        await wait_in_loop(lambda: not any(worker.alive for worker in pool._workers if worker), "they have died")
        assert (await pool.prepare(lesion(), PREPARATION)).more_frames is False

    with_pool(walk)


@pytest.mark.parametrize("trap", [traps.ALLOCATE, traps.EXHAUST])
def test_a_decoder_that_lacked_memory_is_replaced(trap: bytes) -> None:
    async def walk(pool: DecoderPool, metrics: Metrics) -> None:
        before = set(pool.pids)
        for _ in before:
            with pytest.raises(UnreadableImage):
                await pool.prepare(trap, PREPARATION)
        for _ in before:
            await pool.prepare(lesion(), PREPARATION)
        assert before.isdisjoint(pool.pids)
        assert killed(metrics) == {}

    with_pool(walk)


def test_nothing_is_killed_under_the_number_of_a_decoder_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def walk(pool: DecoderPool, metrics: Metrics) -> None:
        ended = pool._workers[0]
        assert ended
        os.kill(ended.pid, signal.SIGKILL)
        multiprocessing.connection.wait([ended._process.sentinel], LIMIT_S)
        with monkeypatch.context() as patched:
            patched.setattr(os, "kill", lambda *_: pytest.fail("another process may have the number"))
            ended.terminate()
        ended.kill()
        assert not ended._at_exit.still_active()

    with_pool(walk)


def test_a_decoder_is_replaced_after_many_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_worker, "MAX_IMAGES", 3)

    async def walk(pool: DecoderPool, metrics: Metrics) -> None:
        before = set(pool.pids)
        for _ in range(3 * len(before)):
            await pool.prepare(lesion(), PREPARATION)
        assert set(pool.pids) == before
        for _ in before:
            await pool.prepare(lesion(), PREPARATION)
        assert before.isdisjoint(pool.pids)

    with_pool(walk)


def test_closing_starts_no_decoder_for_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    terminate = DecoderWorker.terminate

    async def walk(pool: DecoderPool, metrics: Metrics) -> None:
        def start(*arguments: object) -> DecoderWorker:
            started.append(arguments)
            return DecoderWorker(*arguments)  # type: ignore[arg-type]

        def end(worker: DecoderWorker) -> None:
            terminate(worker)
            if threading.current_thread() is threading.main_thread():
                wait_for(lambda: started or pool._threads._shutdown, "the thread goes on, or nothing waits any more")

        files = (traps.HANG, traps.HANG, lesion(), lesion())
        calls = [asyncio.create_task(pool.prepare(data, PREPARATION)) for data in files]
        await wait_in_loop(pool._free.empty, "every decoder works")
        monkeypatch.setattr(decoders, "DecoderWorker", start)
        monkeypatch.setattr(DecoderWorker, "terminate", end)
        await pool.close()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in outcomes] == [DeadlineExceeded] * 2 + [asyncio.CancelledError] * 2
        assert started == []

    with_pool(walk)


def test_a_signal_for_the_process_group_ends_no_decoder() -> None:
    """A shell, a terminal and some supervisors send it to all processes; the service answers what it has first."""

    async def walk(pool: DecoderPool, metrics: Metrics) -> None:
        before = pool.pids
        server = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
        for number in (signal.SIGTERM, signal.SIGINT):
            for pid in (*before, server):
                os.kill(pid, number)
        for _ in range(4):
            assert (await pool.prepare(lesion(), PREPARATION)).square.shape == (32, 32, 3)
        assert pool.pids == before
        assert Path(f"/proc/{server}").exists()
        assert killed(metrics) == {}

    with_pool(walk)


def test_nothing_survives_a_service_that_is_killed() -> None:
    """Not even decoders that hang, and would never look at their pipe."""
    command = [sys.executable, "-m", "tests.support.hanging_decoders"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert select.select([process.stdout], [], [], LIMIT_S)[0], "nothing was said"
            assert process.stdout.readline() == b"busy\n"
            started = descendants(process.pid)
            assert len(started) >= 3, "the fork server and two decoders"
        finally:
            process.kill()
    wait_for(lambda: not any(map(is_running, started)), "all of them have ended")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_deadline_holds_for_a_decoder_that_reads_nothing() -> None:
    large = np.random.default_rng(0).bytes(15_000_000)

    async def walk(pool: DecoderPool, metrics: Metrics) -> None:
        for pid in pool.pids:
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(DeadlineExceeded):
            await pool.prepare(large, PREPARATION)
        assert killed(metrics) == {"deadline": 1}

    with_pool(walk, seconds=0.5)


def test_a_decoder_that_is_killed_while_it_reads_takes_nobody_with_it() -> None:
    """Processes that share a pipe and its lock would all wait for a lock that nobody releases."""
    large = np.random.default_rng(0).bytes(15_000_000)

    async def walk(pool: DecoderPool, metrics: Metrics) -> None:
        for _ in range(5):
            calls = [asyncio.create_task(pool.prepare(large, PREPARATION)) for _ in range(4)]
            with suppress(ProcessLookupError):  # the last one was killed when it had read all, and is not replaced yet
                await asyncio.to_thread(os.kill, pool.pids[0], signal.SIGKILL)
            for answer in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(answer, ImageError)
            assert (await pool.prepare(lesion(), PREPARATION)).square.shape == (32, 32, 3)

    with_pool(walk)
