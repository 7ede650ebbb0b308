"""A real MLflow server as a process of its own, and a proxy in front of it that can fail in several ways."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from tests.support.processes import free_port, wait_until_up
from tests.support.waiting import LIMIT_S


class MlflowServer:
    """`mlflow server` on sqlite, which also proxies its artifacts. It may be stopped, frozen and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        log = self.folder / "server.log"
        with log.open("ab") as output:
            # A session of its own: its workers are children, and are stopped and frozen with it.
            self._process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        wait_until_up(f"{self.address}/health", self._process, log)

    def stop(self) -> None:
        if self._process:
            self._signal(signal.SIGKILL)
            self._process.wait(timeout=LIMIT_S)
            self._process = None

    def freeze(self) -> None:
        """Stop the process: connections stay open and get no answer."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process
        os.killpg(self._process.pid, number)


Mood = Literal["honest", "refusing", "silent", "garbage", "cut", "losing"]


class Proxy:
    """Passes connections on to a server, as its mood is. "silent": reads, and says nothing until the caller gives up;
    "garbage": a web page with status 200; "cut": bundles break off after some bytes; "losing": the first answer to each
    kind of change is lost, so that the caller cannot know whether it was obeyed.

    `asked` counts the requests; `unanswered` are the numbers of those that a silent one keeps waiting at the moment."""

    def __init__(self, target_port: int) -> None:
        self.mood: Mood = "honest"
        self.asked = self.downloads = 0
        self.unanswered: frozenset[int] = frozenset()
        self._target = target_port
        self._lost: set[bytes] = set()
        self._connections: set[asyncio.Task[None]] = set()

    @contextmanager
    def running(self) -> Iterator[str]:
        """Yields its address."""
        ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()

        async def serve() -> None:
            stop = asyncio.Event()
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            ready.set_result((asyncio.get_running_loop(), stop, server.sockets[0].getsockname()[1]))
            await stop.wait()
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

        thread = threading.Thread(target=asyncio.run, args=[serve()])  # which ends what is still pending
        thread.start()
        loop, stop, port = ready.result(timeout=LIMIT_S)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await self._answer(head, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            return  # a side hung up: that is the end of a connection
        except asyncio.CancelledError:
            writer.transport.abort()  # nobody may be reading what is left to send
            raise
        finally:
            await _closed(writer)

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        download = head.startswith(b"GET") and b"/mlflow-artifacts/artifacts/" in head.split(b"\r\n")[0]
        self.asked += 1
        self.downloads += download
        if self.mood == "silent":
            await self._say_nothing(reader)
        elif self.mood == "garbage":
            page = b"<html>Please log in to the hospital's network</html>"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page))
            writer.write(page)
            await writer.drain()
        elif self.mood == "losing" and not head.startswith(b"GET") and (kind := head.split()[1]) not in self._lost:
            self._lost.add(kind)
            await self._pass_on(head, reader, writer, limit=0)
        elif self.mood != "refusing":
            await self._pass_on(head, reader, writer, limit=400 if self.mood == "cut" and download else None)

    async def _say_nothing(self, reader: asyncio.StreamReader) -> None:
        number = frozenset({self.asked})
        self.unanswered |= number
        try:
            while await reader.read(65536):
                continue
        finally:
            self.unanswered -= number

    async def _pass_on(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, limit: int | None
    ) -> None:
        answers, upstream = await asyncio.open_connection("127.0.0.1", self._target)
        sending = asyncio.create_task(_pump(reader, upstream))
        try:
            upstream.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            await _pump(answers, writer, limit=limit)
        finally:
            upstream.close()  # before anything is awaited: the proxy may be stopped meanwhile
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await _closed(upstream)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):  # the other side was faster
        await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, limit: int | None = None) -> None:
    while chunk := await reader.read(limit or 65536):
        writer.write(chunk[:limit])
        await writer.drain()
        if limit is not None:
            return
