"""A real MLflow server as a process of its own, and a proxy before it that can misbehave."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import httpx2

from tests.running import free_port


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
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if httpx2.get(f"{self.address}/health", timeout=2).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.1)
        raise RuntimeError(f"MLflow did not come up:\n{log.read_text()}")

    def stop(self) -> None:
        if self._process:
            self._signal(signal.SIGKILL)
            self._process.wait(timeout=20)
            self._process = None

    def freeze(self) -> None:
        """It keeps its connections and says nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process
        os.killpg(self._process.pid, number)


Mood = Literal["honest", "refusing", "slow", "garbage", "cut"]


class Proxy:
    """Passes connections on to a server, as its mood is. "slow": answers after ten seconds; "garbage": a web page
    with status 200; "cut": bundles break off after some bytes."""

    def __init__(self, target_port: int) -> None:
        self.mood: Mood = "honest"
        self.downloads = 0
        self._target = target_port
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
            await asyncio.sleep(0.05)  # what was closed is taken from the loop in its next rounds

        thread = threading.Thread(target=asyncio.run, args=[serve()])  # which ends what is still pending
        thread.start()
        loop, stop, port = ready.result(timeout=10)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(timeout=20)

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
        finally:
            writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        download = head.startswith(b"GET") and b"/mlflow-artifacts/artifacts/" in head.split(b"\r\n")[0]
        self.downloads += download
        if self.mood == "slow":
            await asyncio.sleep(10)
        elif self.mood == "garbage":
            page = b"<html>Please log in to the hospital's network</html>"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page))
            writer.write(page)
            await writer.drain()
        if self.mood not in ("refusing", "garbage"):
            await self._pass_on(head, reader, writer, limit=400 if self.mood == "cut" and download else None)

    async def _pass_on(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, limit: int | None
    ) -> None:
        answers, upstream = await asyncio.open_connection("127.0.0.1", self._target)
        sending = asyncio.create_task(_pump(reader, upstream))
        try:
            upstream.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            await _pump(answers, writer, limit=limit)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            upstream.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, limit: int | None = None) -> None:
    while chunk := await reader.read(limit or 65536):
        writer.write(chunk)
        await writer.drain()
        if limit is not None:
            return
