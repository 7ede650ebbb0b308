"""python -m service: serve until stopped."""

import ipaddress
import socket
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn

from service.app import create_app
from service.key import InvalidKeys
from service.settings import Settings
from service.telemetry import configure_logging

# Longer than clients and proxies usually keep an idle connection (up to 60 s), so that it is they who close it: a
# server that closes first sometimes does so just as the next request is under way.
KEEP_ALIVE_S = 65
# Where containers find secrets: a file `lunar_secret` there is LUNAR_SECRET, unless the environment sets that too.
SECRETS = Path("/run/secrets")
UNGUARDED = (
    "others can reach LUNAR_HOST={host}, and there are no keys. Make one with\n"
    "  python -m service.keys new CLIENT >> keys.txt\n"
    "and set LUNAR_KEYS_FILE=keys.txt, or let everybody in with LUNAR_WITHOUT_KEYS=true."
)


def main() -> None:
    """One process, one model: a worker more would cost a whole model's memory."""
    settings = Settings(_secrets_dir=SECRETS if SECRETS.is_dir() else None)
    if not (settings.on_loopback or settings.keys_file or settings.keys or settings.without_keys):
        sys.exit(f"Lunar: {UNGUARDED.format(host=settings.host)}")
    try:
        configure_logging(settings)
        app = create_app(settings)
    except InvalidKeys as error:
        sys.exit(f"Lunar: no keys can be read: {error}")
    except OSError as error:
        sys.exit(f"Lunar: LUNAR_AUDIT_FILE cannot be written: {error.strerror}")
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    listening = config.bind_socket()  # before anything is promised
    with suppress(KeyboardInterrupt):  # which uvicorn raises again after it has ended in good order
        _Server(config).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Says where it is as soon as it answers there."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        with suppress(OSError):  # of asyncio, if it may not listen; uvloop then closes the socket and says nothing
            await super().startup(sockets)
        if self.should_exit:
            return
        for listening in sockets or ():
            if listening.fileno() < 0 or not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                await self.lifespan.shutdown()
                sys.exit("Lunar: the port is taken by another process, which has started at the same time.")
            host, port = listening.getsockname()[:2]
            bound = ipaddress.ip_address(host)
            shown = "localhost" if bound.is_loopback or bound.is_unspecified else host
            print(f"Lunar: http://{shown}:{port} (not a medical device; Ctrl+C stops it)", flush=True)


if __name__ == "__main__":
    main()
