"""The real service as a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from service.settings import Settings
from tests.support.paths import ROOT
from tests.support.processes import stop, wait_until_up
from tests.support.waiting import LIMIT_S, wait_for

SERVICE, PATIENT = ("-m", "service"), ("-m", "tests.support.patient_service")
_LISTENING = re.compile(rb"^Lunar: http://[^ ]*:(\d+) ", re.MULTILINE)


@contextmanager
def running_service(
    home: Path, *, ready: bool = True, program: Sequence[str] = SERVICE, **settings: str
) -> Iterator[str]:
    """`python -m service` on a free port with LUNAR_HOME=home, from ready (or live) to stopped; yields its address."""
    with service_process(home, ready=ready, program=program, **settings) as (address, _):
        yield address


@contextmanager
def service_process(
    home: Path, *, ready: bool = True, program: Sequence[str] = SERVICE, **settings: str
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The same; yields its address and the process. `program` are other arguments of Python that serve.

    The service chooses the port unless `settings` do. Its deadline is the tests' limit: on a busy machine the usual 30
    seconds may pass, and 503 would be the right answer. Versions are verified in its own process, which saves seconds.
    """
    settings = {"port": "0", "request_timeout_s": f"{LIMIT_S:g}", "candidate_timeout_s": "0"} | settings
    if unknown := settings.keys() - Settings.model_fields.keys():
        raise TypeError(f"no settings: {', '.join(sorted(unknown))}")
    environment = os.environ | {"LUNAR_HOME": str(home)}
    environment |= {f"LUNAR_{name.upper()}": value for name, value in settings.items()}
    log = home / "service.log"
    with log.open("wb") as output:
        command = [sys.executable, *program]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            address = f"http://127.0.0.1:{_port(process, log)}"
            wait_until_up(f"{address}/health/{'ready' if ready else 'live'}", process, log)
            yield address, process
        finally:
            stop(process)


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """The port in the line that the service prints when it listens."""

    def said() -> "re.Match[bytes] | None":
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with {process.returncode}:\n{log.read_text()}")
        return _LISTENING.search(log.read_bytes())

    return int(wait_for(said, lambda: f"the service listens\n{log.read_text()}")[1])
