"""Bounds of uploads while they arrive: how slow, how many of one client, how many bytes of all."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.errors import BodyTooLarge, Overloaded, SlowUpload
from service.settings import Settings

GRACE_S = 5.0  # before the rate counts: a connection needs a moment to become fast
STALL_S = 10.0  # longest time without a byte, however fast the upload was before
CLIENTS_SHARE = 0.5  # of all bytes that one client may have in flight


class Uploads:
    """Counts what is arriving. A request's bytes count until it is answered, because they stay in memory."""

    def __init__(self, settings: Settings) -> None:
        self.limit, self.rate = settings.max_body_bytes, settings.min_upload_rate
        self._most_bytes = max(settings.max_upload_bytes, settings.max_body_bytes)
        self._most_of_client = max(int(self._most_bytes * CLIENTS_SHARE), settings.max_body_bytes)
        self._most_at_once = settings.max_uploads
        self._arriving: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    @contextmanager
    def open(self, client: str) -> Iterator["Upload"]:
        """One upload of a client, until it is answered. Raises Overloaded if the client has too many at once."""
        if self._arriving[client] >= self._most_at_once:
            raise Overloaded(f"{self._most_at_once} uploads of this client are arriving already.")
        upload = Upload(self, client)
        self._arriving[client] += 1
        try:
            yield upload
        finally:
            upload.end()
            self._take(self._bytes, client, upload.received)

    def add(self, client: str, size: int) -> None:
        """Count bytes that arrived. Raises Overloaded if there are too many in memory."""
        self._bytes[client] += size
        if self._bytes[client] > self._most_of_client or self._bytes.total() > self._most_bytes:
            raise Overloaded("The uploads that are being answered fill the memory that is meant for them.")

    def arrived(self, client: str) -> None:
        """An upload is complete or given up."""
        self._take(self._arriving, client, 1)

    @staticmethod
    def _take(counter: Counter[str], client: str, number: int) -> None:
        counter[client] -= number
        if counter[client] <= 0:
            del counter[client]  # a client that has nothing here leaves no trace in memory


class Upload:
    """The body of one request."""

    def __init__(self, uploads: Uploads, client: str) -> None:
        self._uploads, self._client = uploads, client
        self._began = time.monotonic()
        self._ended = False
        self.received = 0

    async def chunks(self, request: Request) -> AsyncGenerator[bytes, None]:
        """The bytes as they arrive. Raises BodyTooLarge, SlowUpload, Overloaded, ClientDisconnect."""
        limit = self._uploads.limit
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise BodyTooLarge(f"At most {limit:,} bytes are accepted.")
        more = True
        while more:
            chunk, more = await self._next(request)
            self.received += len(chunk)
            self._uploads.add(self._client, len(chunk))
            if self.received > limit:
                raise BodyTooLarge(f"At most {limit:,} bytes are accepted.")
            yield chunk
        self.end()

    def end(self) -> None:
        """The body is complete, or nobody reads it any more."""
        if not self._ended:
            self._ended = True
            self._uploads.arrived(self._client)

    async def _next(self, request: Request) -> tuple[bytes, bool]:
        now = time.monotonic()
        due = self._began + GRACE_S + self.received / self._uploads.rate
        try:
            async with asyncio.timeout(max(0.0, min(STALL_S, due - now))):
                message = await request.receive()
        except TimeoutError as error:
            seconds = time.monotonic() - self._began
            raise SlowUpload(
                f"{self.received:,} bytes arrived in {seconds:.0f} s. After the first {GRACE_S:g} s at least "
                f"{self._uploads.rate:,} bytes a second are required, and no {STALL_S:g} s may pass without a byte."
            ) from error
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        return message.get("body", b""), message.get("more_body", False)
