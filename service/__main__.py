"""python -m service: serve until stopped."""

import uvicorn

from service.app import create_app
from service.settings import Settings
from service.telemetry import configure_logging

# Longer than clients and proxies usually keep an idle connection (up to 60 s), so that it is they who close it: a
# server that closes first sometimes does so just as the next request is under way.
KEEP_ALIVE_S = 65


def main() -> None:
    """One process, one model: a worker more would cost a whole model's memory."""
    settings = Settings()
    configure_logging(settings.log_level)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    listening = config.bind_socket()  # before anything is promised
    host, port = listening.getsockname()[:2]
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0") else host  # noqa: S104
    print(f"Lunar: http://{shown}:{port} (not a medical device; Ctrl+C stops it)", flush=True)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
