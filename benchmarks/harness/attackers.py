"""Clients that misbehave, each kind from an address of its own in 127.0.0.0/8.

`python -m benchmarks.harness.attackers ADDRESS COOKIE KEY` runs them until SIGTERM. It prints OPEN once every
connection has been opened, and at the end what they got, as JSON. A process of its own at low priority, because
attackers would not have the service's processor. All traffic stays on the loopback interface, and each kind has a fixed
number of connections.
"""

import argparse
import asyncio
import io
import json
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

OPEN = "open"
READ_BYTES = 65_536
PAUSE_S = 0.2  # before a connection is opened again


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, the page's cookie and a key as headers, and an image whose heat maps compress badly."""

    host: str
    port: int
    cookie: str
    key: str
    noise: bytes

    def post(self, path: str, length: int, *, who: str, kind: str = "image/jpeg") -> bytes:
        """The head of a request; `who` is the header `cookie` or `key`."""
        lines = (f"POST {path} HTTP/1.1", f"Host: {self.host}", who, "Connection: close", f"Content-Type: {kind}")
        return "\r\n".join((*lines, f"Content-Length: {length}", "", "")).encode()


class Connection:
    """One connection of an attacker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def outcome(self) -> str:
        """The status of the answer; "cut" if there is none."""
        first = await self._reader.readline()
        with suppress(ConnectionError):
            while await self._reader.read(READ_BYTES):
                continue
        return first.split(b" ")[1].decode() if b" " in first else "cut"

    def close(self) -> None:
        self._writer.transport.abort()


Attack = Callable[[Connection, Target], Awaitable[str]]


async def stalled_upload(connection: Connection, target: Target) -> str:
    """30 kB of a promised 5 MB, with the page's cookie."""
    await connection.send(target.post("/predict", 5_000_000, who=target.cookie) + target.noise[:30_000])
    return await connection.outcome()


async def silent_reader(connection: Connection, target: Target) -> str:
    """The largest answer there is, which is not read."""
    path = "/explain?target=all&render=both&method=all"
    await connection.send(target.post(path, len(target.noise), who=target.key) + target.noise)
    await asyncio.sleep(15)
    return await connection.outcome()


async def half_open(connection: Connection, target: Target) -> str:
    """A head that does not end."""
    await connection.send(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
    return await connection.outcome()


async def endless_head(connection: Connection, target: Target) -> str:
    """Headers for as long as they are taken."""
    await connection.send(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    for number in range(20_000):
        await connection.send(f"X-{number}: {'x' * 4000}\r\n".encode())
    return await connection.outcome()


async def absurd_parameter(connection: Connection, target: Target) -> str:
    """A value of 2 MB where a number is expected."""
    body = json.dumps({"inputs": ["x"], "params": {"tta": "y" * 2_000_000}}).encode()
    await connection.send(target.post("/invocations", len(body), who=target.key, kind="application/json") + body)
    return await connection.outcome()


# How many connections each kind keeps open.
ATTACKS: dict[Attack, int] = {
    stalled_upload: 40,
    silent_reader: 2,
    half_open: 300,
    endless_head: 2,
    absurd_parameter: 1,
}


async def besiege(target: Target, got: Counter[str]) -> None:
    """Every attack at once, until SIGTERM; counts what they got, "cut" for a connection that was closed."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    with suppress(asyncio.CancelledError):
        async with asyncio.TaskGroup() as group:
            opened = [asyncio.Event() for _ in range(sum(ATTACKS.values()))]
            group.create_task(_tell_when_open(opened))
            left = iter(opened)
            for number, (attack, connections) in enumerate(ATTACKS.items(), start=2):
                for _ in range(connections):
                    group.create_task(_repeat(attack, target, got, next(left), source=f"127.0.0.{number}"))


async def _tell_when_open(opened: list[asyncio.Event]) -> None:
    for each in opened:
        await each.wait()
    print(OPEN, flush=True)


async def _repeat(attack: Attack, target: Target, got: Counter[str], opened: asyncio.Event, *, source: str) -> None:
    while True:
        outcome = "cut"
        with suppress(OSError):
            streams = await asyncio.open_connection(target.host, target.port, local_addr=(source, 0))
            opened.set()
            connection = Connection(*streams)
            try:
                outcome = await attack(connection, target)
            finally:
                connection.close()
        got[f"{attack.__name__} {outcome}"] += 1
        await asyncio.sleep(PAUSE_S)


def noise() -> bytes:
    """A JPEG whose heat maps are as large as PNGs become."""
    pixels = np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def main() -> None:
    """Attack until SIGTERM, then print what came back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", metavar="ADDRESS", help="of the service, such as http://127.0.0.1:8000")
    parser.add_argument("cookie", metavar="COOKIE", help="of the page: name=value")
    parser.add_argument("key", metavar="KEY", help="an API key")
    options = parser.parse_args()
    os.nice(10)
    where, got = urlsplit(options.address), Counter[str]()
    target = Target(
        str(where.hostname), where.port or 80, f"Cookie: {options.cookie}", f"X-API-Key: {options.key}", noise()
    )
    asyncio.run(besiege(target, got))
    print(json.dumps(got), flush=True)


if __name__ == "__main__":
    main()
