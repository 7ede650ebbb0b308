"""The HTTP server: uvicorn with bounded connections, which says where it listens and ends in time."""

import asyncio
import ipaddress
import logging
import os
import socket
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn

from service.http.connections import HEAD_BYTES, Connection, ConnectionLimit, sweep
from service.settings import Settings

# Longer than clients and proxies usually keep an idle connection (up to 60 s), so that they close it: a server that
# closes first may do so while the next request is being sent.
KEEP_ALIVE_S = 65
SWEEP_S = 1.0
# SIGTERM ends the service within 30 s, which is what Kubernetes and many others wait by default.
GRACEFUL_S = 20  # for requests that are being answered
END_S = 28.0  # for everything, whatever does not return

log = logging.getLogger(__name__)


def server_config(app: Any, settings: Settings) -> uvicorn.Config:
    """uvicorn's configuration. h11 and not httptools: docs/decisions/0018-connections.md."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http="h11",
        ws="none",
        h11_max_incomplete_event_size=HEAD_BYTES,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACEFUL_S,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    config.load()
    limit = ConnectionLimit(settings.max_connections)
    config.http_protocol_class = partial(Connection, limit=limit)  # type: ignore[assignment]
    return config


class Server(uvicorn.Server):
    """Prints the address as soon as the service answers there; closes what is overdue; ends in time."""

    _sweeping: "asyncio.Task[None] | None" = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        with suppress(OSError):  # asyncio raises if it cannot listen; uvloop closes the socket silently
            await super().startup(sockets)
        if self.should_exit:
            return
        for listening in sockets or ():
            if listening.fileno() < 0 or not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                await self.lifespan.shutdown()
                sys.exit("Lunar: the port is taken by another process that started at the same time.")
            host, port = listening.getsockname()[:2]
            bound = ipaddress.ip_address(host)
            shown = "localhost" if bound.is_loopback or bound.is_unspecified else host
            print(f"Lunar: http://{shown}:{port} (not a medical device; Ctrl+C stops it)", flush=True)
        self._sweeping = asyncio.create_task(self._sweep())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what can be answered, then end; after END_S without regard to what still runs."""
        last = threading.Timer(END_S, _end)
        last.daemon = True
        last.start()
        await super().shutdown(sockets)
        if self._sweeping:
            self._sweeping.cancel()
        for connection in list(self.server_state.connections):
            if connection.transport:
                connection.transport.abort()  # a client that does not read its answer would keep it open

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            sweep(self.server_state.connections)


def _end() -> None:
    """End the process although threads still run: a library call that never returns cannot be stopped."""
    log.error("not everything ended in time: the process ends now", extra={"seconds": END_S})
    logging.shutdown()
    os._exit(1)
