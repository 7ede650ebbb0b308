"""A real service that others could reach: on every address of this machine, with keys, a secret and an audit file."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.security.api_key import new_key
from tests.support.homes import copy_home
from tests.support.service_log import log_lines
from tests.support.service_process import running_service
from tests.support.settings import SECRET


@dataclass(frozen=True, slots=True)
class Guarded:
    """Its address, headers with keys, and the files that it reads and writes."""

    address: str
    user: dict[str, str]
    admin: dict[str, str]
    keys_file: Path
    audit_file: Path
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """The request log, as the service printed it."""
        return [line for line in log_lines(self.log) if line["message"] == "request"]


@contextmanager
def guarded_service(starter_home: Path, folder: Path, **settings: str) -> Iterator[Guarded]:
    """Serve the starter from a copy of its registry's database; the artifacts are not copied."""
    home = copy_home(starter_home, folder / "home")
    made = {role: new_key(f"test-{role}", role) for role in ("user", "admin")}
    keys_file, audit_file = folder / "keys.txt", folder / "audit.log"
    keys_file.write_text("".join(f"{key.line}\n" for key, _ in made.values()))
    user, admin = ({"X-API-Key": sent} for _, sent in made.values())
    settings = {"rate_limit": "off", "keys_file": str(keys_file), "audit_file": str(audit_file)} | settings
    with running_service(home, host="0.0.0.0", secret=SECRET, **settings) as address:
        yield Guarded(address, user, admin, keys_file, audit_file, home / "service.log")


def address_of_this_machine() -> str | None:
    """One that is not loopback, or None: browsers trust localhost more than any other plain HTTP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only chooses the interface
        except OSError:
            return None
        return str(probe.getsockname()[0])
