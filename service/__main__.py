"""python -m service: serve until stopped."""

import uvicorn

from service.app import create_app
from service.settings import Settings
from service.telemetry import configure_logging


def main() -> None:
    """One process, one model: a worker more would cost a whole model's memory."""
    settings = Settings()
    configure_logging(settings.log_level)
    shown = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0") else settings.host  # noqa: S104
    print(f"Lunar: http://{shown}:{settings.port} (not a medical device; Ctrl+C stops it)", flush=True)
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_config=None, server_header=False)


if __name__ == "__main__":
    main()
