"""Decoding image files outside the event loop: in worker processes that may die, or in threads of this process."""

import asyncio
import logging
import math
import os
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event, Thread
from typing import Protocol

from inference.imaging.errors import UnreadableImage
from inference.imaging.prepared_picture import Preparation, PreparedPicture, prepare_picture
from service.errors import DeadlineExceeded
from service.observability.metrics import DecoderMetrics
from service.serving.decoder_process import Limits, Prepare
from service.serving.decoder_worker import DecoderEnded, DecoderWorker
from service.settings import Settings

log = logging.getLogger(__name__)
SWEEP_S = 0.25  # a timer for each image would be a thread for each image
_STOPPING = "The service is being stopped."


class Decoder(Protocol):
    """What turns an image file into what the model needs of it."""

    async def start(self) -> None:
        """Get ready; called once, before the first picture."""

    async def prepare(self, data: bytes, preparation: Preparation) -> PreparedPicture:
        """Decode, fit and reduce. Raises ImageError, DeadlineExceeded.

        A call that is cancelled while it waits is never started; one that runs continues to its end, or to its limits.
        """

    async def close(self) -> None:
        """End the work that runs."""


def open_decoder(settings: Settings, metrics: DecoderMetrics) -> Decoder:
    """The decoder that the settings ask for."""
    return DecoderPool(settings, metrics) if settings.decoders else ThreadDecoder()


class ThreadDecoder:
    """Decodes in threads of this process: without limits, and a crash of a decoder ends the service."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decoder")

    async def start(self) -> None:
        """Nothing to do."""

    async def prepare(self, data: bytes, preparation: Preparation) -> PreparedPicture:
        """See Decoder."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, prepare_picture, data, preparation)

    async def close(self) -> None:
        """Finish the work that runs and drop what waits."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)


class DecoderPool:
    """Decodes in worker processes with bounded memory and time, each with a pipe and a thread of its own.

    A worker that crashes, hangs or takes too much is replaced, and only its own request fails. So is one
    that has decoded many images or lacked memory, before its next image. Nothing is shared between workers that one
    could hold while it dies: docs/decisions/0017-decoders.md.
    """

    def __init__(self, settings: Settings, metrics: DecoderMetrics, prepare: Prepare = prepare_picture) -> None:
        self._metrics, self._prepare_picture = metrics, prepare
        self._limits = Limits(
            memory_bytes=settings.decoder_memory_mb * 2**20,
            cpu_seconds=math.ceil(settings.decode_timeout_s / 2),
            seconds=settings.decode_timeout_s,
        )
        self._threads = ThreadPoolExecutor(settings.decoders, thread_name_prefix="decoder")
        self._workers: list[DecoderWorker | None] = [None] * settings.decoders
        self._free: SimpleQueue[int] = SimpleQueue()
        for place in range(settings.decoders):
            self._free.put(place)
        self._closed = False
        self._ended = Event()
        self._watch = Thread(target=self._end_overdue, name="deadlines", daemon=True)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the workers that have been started."""
        return tuple(worker.pid for worker in self._workers if worker)

    async def start(self) -> None:
        """Start the workers, and what holds them to their deadlines."""
        self._watch.start()
        await asyncio.gather(*(asyncio.to_thread(self._worker, place) for place in range(len(self._workers))))

    async def prepare(self, data: bytes, preparation: Preparation) -> PreparedPicture:
        """See Decoder."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._prepare, data, preparation)

    async def close(self) -> None:
        """Kill the workers."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)  # first, else what waits starts new workers
        for worker in filter(None, self._workers):
            worker.terminate()
        await asyncio.to_thread(self._threads.shutdown)
        for worker in filter(None, self._workers):
            await asyncio.to_thread(worker.kill)
        self._ended.set()

    def _end_overdue(self) -> None:
        while not self._ended.wait(SWEEP_S):
            for worker in filter(None, self._workers):
                worker.end_if_overdue()

    def _prepare(self, data: bytes, preparation: Preparation) -> PreparedPicture:
        place = self._free.get()  # there are as many as threads
        try:
            return self._worker(place).prepare(data, preparation)
        except DecoderEnded as error:
            raise self._explain(error, place) from error
        finally:
            self._free.put(place)

    def _worker(self, place: int) -> DecoderWorker:
        worker = self._workers[place]
        if worker and worker.alive and not worker.worn:
            return worker
        if self._closed:
            raise DeadlineExceeded(_STOPPING)
        if worker:
            worker.kill()
        worker = self._workers[place] = DecoderWorker(self._limits, self._prepare_picture)
        return worker

    def _explain(self, ended: DecoderEnded, place: int) -> Exception:
        """What the request gets whose worker has ended; the worker is replaced first."""
        if self._closed:
            return DeadlineExceeded(_STOPPING)
        self._metrics.killed(ended.cause)
        log.warning("a decoder was replaced", extra={"reason": ended.cause})
        self._worker(place)
        if ended.cause == "deadline":
            return DeadlineExceeded(f"Decoding the image took longer than {self._limits.seconds:g} s.")
        if ended.cause == "cpu":
            return UnreadableImage(
                f"Decoding the image takes more than {self._limits.cpu_seconds} s of processor time.",
                cause="decoding",
            )
        return UnreadableImage("The image cannot be decoded: it makes the decoder fail.", cause="decoding")
