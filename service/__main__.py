"""python -m service: serve until stopped."""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

from inference.command_line import Parser
from inference.settings import InvalidSettings, read_settings, unknown_message
from service.app import create_app
from service.http.server import Server, server_config
from service.memory import give_large_blocks_back
from service.observability.logging_config import configure_logging
from service.security.api_key import InvalidKeys
from service.settings import Settings, misspelled

# Secrets of containers: a file `lunar_secret` in this folder sets LUNAR_SECRET, unless the environment sets it.
SECRETS = Path("/run/secrets")
SETTINGS = "Settings come from the environment; `python -m service.settings` lists them."
UNPROTECTED = (
    "other machines can reach LUNAR_HOST={host}, and there are no API keys. Make one with\n"
    "  python -m service.keys new CLIENT >> keys.txt\n"
    "and set LUNAR_KEYS_FILE=keys.txt, or serve without keys: LUNAR_WITHOUT_KEYS=true."
)
WIDE_PROXIES = (
    "LUNAR_TRUSTED_PROXIES has %s: every client in that network can choose the address for which it is counted; "
    "name the proxy's own address"
)

log = logging.getLogger(__name__)


def main() -> None:
    """One process with one model: every further worker would need the memory of another model."""
    give_large_blocks_back()
    settings = _read_settings()
    if not (settings.on_loopback or settings.keys_file or settings.keys or settings.without_keys):
        sys.exit(f"Lunar: {UNPROTECTED.format(host=settings.host)}")
    try:
        configure_logging(settings)
        app = create_app(settings)
    except InvalidKeys as error:
        sys.exit(f"Lunar: the API keys cannot be read: {error}")
    except OSError as error:
        sys.exit(f"Lunar: LUNAR_AUDIT_FILE cannot be written: {error.strerror}")
    for name, nearest in misspelled(os.environ).items():
        log.warning(unknown_message(name, nearest))
    for network in settings.wide_proxies:
        log.warning(WIDE_PROXIES, network)
    config = server_config(app, settings)
    listening = config.bind_socket()  # fails before a model is loaded if the port is taken
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after its shutdown
        Server(config).run(sockets=[listening])


def _read_settings() -> Settings:
    """Ends the process with one line for each variable that has a value which is not allowed."""
    try:
        return read_settings(Settings, _secrets_dir=SECRETS if SECRETS.is_dir() else None)
    except InvalidSettings as error:
        sys.exit("\n".join(f"Lunar: {line}" for line in str(error).splitlines()))


def parse_arguments(arguments: list[str] | None = None, *, prog: str = "python -m service") -> None:
    """Only --version and --help: settings come from the environment."""
    Parser(prog=prog, description="Serve until stopped.", epilog=SETTINGS).parse_args(arguments)


if __name__ == "__main__":
    parse_arguments()
    main()
