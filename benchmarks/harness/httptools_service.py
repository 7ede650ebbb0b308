"""python -m benchmarks.harness.httptools_service: the service on uvicorn's httptools, without bounds of connections."""

import argparse
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service import __main__ as command
from service.http.server import server_config
from service.settings import Settings


def httptools_config(app: Any, settings: Settings) -> uvicorn.Config:
    """As the service configures uvicorn, but for the protocol."""
    config = server_config(app, settings)
    config.http_protocol_class = HttpToolsProtocol
    return config


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    setattr(command, server_config.__name__, httptools_config)
    command.main()
