"""Connections: how many, how large and how late a request's head may be, and clients that do not read their answers."""

import asyncio
import ipaddress
import logging
import resource
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_BYTES = 32_768  # request line and headers
# From the first byte of a head, or from the beginning of a connection, to the head's end; from an answer to the end of
# the request's body.
HEAD_S = 10.0
SMALL_CHUNKS = 200  # of a body, beside one for each CHUNK_BYTES: each costs the event loop about 8 microseconds
CHUNK_BYTES = 64
READ_RATE = 16_000  # bytes a second that a client has to read if an answer waits for it
READ_WINDOW_S = 10.0
MAX_UNREAD_BYTES = 200_000_000  # of all answers that wait for their clients
RESERVED_HANDLES = 64  # of files, of the registry, of logs
LOG_EVERY_S = 10.0
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 2\r\n"
    b"content-length: 25\r\nconnection: close\r\n\r\nToo many open connections"
)

log = logging.getLogger(__name__)


class ConnectionLimit:
    """The most connections at once, and a log line when it is reached, at most one in LOG_EVERY_S.

    Keeps the connections without a request in the order in which they became so.
    """

    def __init__(self, most: int) -> None:
        handles, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most = most if handles == resource.RLIM_INFINITY else max(1, min(most, handles - RESERVED_HANDLES))
        self._logged = -LOG_EVERY_S
        self._closed = self._refused = 0
        self._waiting: OrderedDict[Connection, None] = OrderedDict()

    def note(self, connection: "Connection", *, waiting: bool) -> None:
        """A connection has no request, or has one, or has been closed."""
        if not waiting:
            self._waiting.pop(connection, None)
        elif connection not in self._waiting:
            self._waiting[connection] = None

    def make_room(self) -> bool:
        """Close the connection that has waited longest for a request; false if every connection has one."""
        room = bool(self._waiting)
        if room:
            self._waiting.popitem(last=False)[0].transport.abort()
        self._closed += room
        self._refused += not room
        self._report()
        return room

    def _report(self) -> None:
        if time.monotonic() - self._logged < LOG_EVERY_S:
            return
        self._logged = time.monotonic()
        facts = {"most": self.most, "closed": self._closed, "refused": self._refused}
        log.warning("too many open connections: those without a request are closed, then new ones refused", extra=facts)
        self._closed = self._refused = 0


class _Chunks(h11.Connection):
    """h11's parser; calls `abort` if the chunks of a body are too small."""

    def __init__(self, abort: Callable[[], None]) -> None:
        super().__init__(h11.SERVER, HEAD_BYTES)
        self._abort = abort
        self._chunks = self._bytes = 0  # of this request

    def next_event(self) -> Any:
        """See h11."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
        elif isinstance(event, h11.Data):
            self._chunks += event.chunk_start
            self._bytes += len(event.data)
            if self._chunks > SMALL_CHUNKS + self._bytes / CHUNK_BYTES:
                self._abort()
                return h11.NEED_DATA
        return event


def as_ipv4(host: str) -> str:
    """::ffff:10.0.0.1 -> 10.0.0.1: on a socket for both, an IPv4 address looks so, and settings name it as it is."""
    try:
        mapped = ipaddress.IPv6Address(host).ipv4_mapped
    except ValueError:
        return host
    return str(mapped) if mapped else host


class Connection(H11Protocol):
    """One connection."""

    def __init__(self, *, limit: ConnectionLimit, **options: Any) -> None:
        super().__init__(**options)
        self.conn = _Chunks(abort=lambda: self.transport.abort())
        self._limit = limit
        self._answered_at = 0.0  # of time.monotonic(): the end of the last answer
        self._head_since: float | None = time.monotonic()  # None: no head is awaited
        self._unread: tuple[float, int] | None = None  # when, and how many bytes waited for the client then

    @property
    def is_waiting(self) -> bool:
        """Whether no request of this connection is being answered."""
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing()

    @property
    def is_sending_for_nobody(self) -> bool:
        """Whether the body of a request goes on that has been answered already."""
        return self.cycle is not None and self.cycle.response_complete and self.conn.their_state is h11.SEND_BODY

    @property
    def unread_bytes(self) -> int:
        """The part of the answers that the client has not read, beyond the buffers of the system."""
        return self.transport.get_write_buffer_size()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.client = self.client and (as_ipv4(self.client[0]), self.client[1])
        self.server = self.server and (as_ipv4(self.server[0]), self.server[1])
        if len(self.connections) > self._limit.most and not self._limit.make_room():
            transport.write(REFUSAL)
            transport.close()
        self._limit.note(self, waiting=self.is_waiting)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self._limit.note(self, waiting=False)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        self._limit.note(self, waiting=self.is_waiting)
        if self.conn.their_state is not h11.IDLE:
            self._head_since = None
        elif self._head_since is None:
            self._head_since = time.monotonic()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        self._answered_at = time.monotonic()
        super().on_response_complete()
        self._limit.note(self, waiting=self.is_waiting)

    def resume_writing(self) -> None:
        """The client has read most of what waited for it."""
        self._unread = None
        super().resume_writing()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: Java's HttpClient and `curl --http2` offer h2c with every request; HTTP/1.1 answers them."""

    def is_overdue(self, now: float) -> bool:
        """Whether the client sends a head, or reads an answer, too slowly, or sends on after an answer."""
        if self.is_sending_for_nobody and now - self._answered_at > HEAD_S:
            return True
        if self._head_since is not None and now - self._head_since > HEAD_S:
            return True
        unread = self.unread_bytes
        if not unread or self._unread is None:
            self._unread = (now, unread) if unread else None
            return False
        since, before = self._unread
        if now - since < READ_WINDOW_S:
            return False
        self._unread = (now, unread)
        return unread > before - READ_RATE * (now - since)


def sweep(connections: Iterable[object]) -> None:
    """Close connections that are overdue, then those with the largest answers, while too much waits to be read."""
    now = time.monotonic()
    ours = [each for each in connections if isinstance(each, Connection)]
    for each in ours:
        if each.is_overdue(now):
            each.transport.abort()
    by_size = sorted((each for each in ours if each.unread_bytes), key=lambda each: each.unread_bytes)
    unread = sum(each.unread_bytes for each in by_size)
    while unread > MAX_UNREAD_BYTES:
        largest = by_size.pop()
        unread -= largest.unread_bytes
        largest.transport.abort()
