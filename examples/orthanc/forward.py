"""Send every new dermoscopic instance of an Orthanc to Lunar and store what comes back beside it.

Orthanc's log of changes says what is new; nothing else of a patient is asked for. The place in the log is kept in a
file and moves on when an instance is dealt with, so that nothing is lost while Lunar or this program is down. An
instance that fails again and again is named in a file beside it, FORWARD_STATE.dead, and passed over. Lunar's answers
have identifiers that follow from their source: what is sent twice is stored once.

Needs Python 3.11 and nothing else. Settings: ORTHANC_URL, ORTHANC_USER, ORTHANC_PASSWORD, LUNAR_URL, LUNAR_KEY,
FORWARD_STATE (a file). Not a medical device.
"""

import argparse
import base64
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesParser
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

PHOTOGRAPHS = {"1.2.840.10008.5.1.4.1.1.77.1.4", "1.2.840.10008.5.1.4.1.1.77.1.7"}  # VL, Dermoscopic
ACCEPT = 'multipart/related; type="application/dicom"'
EXTRA = "extra dicom"  # Lunar's words for what is not installed
WRONG = {301, 302, 303, 307, 308, 401, 403, 404, 405}  # the address or the key: no instance will be answered
# What another time cannot change, by Lunar's name of the problem.
HOPELESS = {"unreadable-image", "image-too-large", "body-too-large", "unsupported-format", "not-acceptable"}
AWAY = {429, 502, 503}  # waiting helps
TRIES = 5  # of one instance, for any other cause
TIMEOUT_S, PAUSE_S, RETRY_S = 60, 1, 5
log = logging.getLogger("forward")


class Misconfigured(RuntimeError):
    """Every instance would be refused: somebody has to change the installation."""


class Hopeless(RuntimeError):
    """This instance has no answer, now or later."""


def fetch(url: str, data: bytes | None = None, **headers: str) -> tuple[bytes, str]:
    """The body and its type; POST if there are data."""
    request = Request(url, data, {name.replace("_", "-"): value for name, value in headers.items() if value})  # noqa: S310
    with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - addresses of the settings
        return answer.read(), answer.headers.get("Content-Type", "")


@dataclass(frozen=True, slots=True)
class Orthanc:
    """Its REST API."""

    url: str
    user: str = ""
    password: str = ""

    def get(self, path: str) -> bytes:
        """A resource."""
        return fetch(f"{self.url}{path}", Authorization=self._authorization())[0]

    def store(self, instance: bytes) -> None:
        """Store an instance."""
        fetch(f"{self.url}/instances", instance, Content_Type="application/dicom", Authorization=self._authorization())

    def changes(self, since: int) -> dict[str, Any]:
        """What is new after a place in its log."""
        found: dict[str, Any] = json.loads(self.get(f"/changes?since={since}&limit=100"))
        return found

    def photograph(self, instance: str) -> bytes | None:
        """The file; None for another kind, or one that was deleted meanwhile."""
        try:
            if self.get(f"/instances/{instance}/metadata/SopClassUid").decode() not in PHOTOGRAPHS:
                return None
            return self.get(f"/instances/{instance}/file")
        except HTTPError as error:
            if error.code == 404:
                return None
            raise

    def _authorization(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode() if self.user else ""


def results(content: bytes, content_type: str) -> Iterator[bytes]:
    """The instances in a multipart body."""
    message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + content)
    yield from (part.get_payload(decode=True) for part in message.get_payload())


def explain(lunar: str, key: str, file: bytes) -> list[bytes]:
    """What Lunar makes of an instance. Raises Misconfigured, Hopeless, and OSError for what may pass."""
    try:
        headers = {"Content_Type": "application/dicom", "Accept": ACCEPT, "Accept_Language": "en", "X_API_Key": key}
        answer = fetch(f"{lunar}/explain", file, **headers)
    except HTTPError as error:
        with error:
            problem = _problem(error.read())
        name, detail = problem.get("type", "").rpartition(":")[2], problem.get("detail", "")
        if error.code in WRONG or name == "unknown-host" or EXTRA in detail:
            raise Misconfigured(f"{lunar} refuses every instance: {error.code} {detail}") from error
        if name in HOPELESS:
            raise Hopeless(name) from error
        if name == "deadline-exceeded":  # of this instance, perhaps: a 503 for which waiting need not help
            raise TimeoutError(name) from error
        raise
    return [*results(*answer)]


def _problem(body: bytes) -> dict[str, str]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class State:
    """The place in Orthanc's log, and the instances that were passed over, in two files."""

    def __init__(self, path: Path) -> None:
        self._path, self._dead = path, path.with_name(f"{path.name}.dead")
        self.place = self._read()

    def move(self, place: int) -> None:
        """Keep the place, so that a crash leaves the earlier or the later one."""
        beside = self._path.with_name(f"{self._path.name}.new")
        with beside.open("w") as file:
            file.write(str(place))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        self.place = place

    def pass_over(self, instance: str, cause: str) -> None:
        """Name an instance that got no result."""
        log.warning("passed over the instance %s: %s", instance, cause)
        with self._dead.open("a") as file:
            file.write(f"{instance} {cause}\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self) -> int:
        try:
            return int(self._path.read_text())
        except FileNotFoundError:
            return 0
        except ValueError:
            log.warning("%s holds no place: starting at the beginning, which stores nothing twice", self._path)
            return 0


def is_away(error: Exception) -> bool:
    """Whether somebody cannot be reached just now. Who ends a connection in the middle of an instance is there."""
    if isinstance(error, HTTPError):
        return error.code in AWAY
    cause = error.reason if isinstance(error, URLError) else None
    return isinstance(error, URLError) and not isinstance(cause, BrokenPipeError | ConnectionResetError)


class Forwarder:
    """Follows Orthanc's log."""

    def __init__(self, orthanc: Orthanc, lunar: str, key: str, state: State) -> None:
        self._orthanc, self._lunar, self._key, self._state = orthanc, lunar, key, state
        self._tries = 0

    def step(self) -> float:
        """Deal with what is new; how many seconds to wait. Raises Misconfigured."""
        try:
            found = self._orthanc.changes(self._state.place)
            if found["Last"] < self._state.place:  # another database
                log.warning("Orthanc's log is shorter than the place in it: starting at the beginning")
                self._state.move(0)
                return 0
            for change in found["Changes"]:
                if change["ChangeType"] == "NewInstance":
                    self._deal_with(change["ID"])
                self._state.move(change["Seq"])
                self._tries = 0
            return PAUSE_S if found["Done"] else 0
        except (OSError, HTTPException, ValueError) as error:
            log.warning("trying again: %r", error)
            wait_s = error.headers.get("Retry-After") if isinstance(error, HTTPError) else None
            return float(wait_s) if wait_s and wait_s.isdecimal() else RETRY_S

    def _deal_with(self, instance: str) -> None:
        """Store the results for a photograph, or pass it over after some tries."""
        try:
            if file := self._orthanc.photograph(instance):
                for result in explain(self._lunar, self._key, file):
                    self._orthanc.store(result)
                log.info("stored what Lunar says of the instance %s", instance)
        except Hopeless as error:
            self._state.pass_over(instance, str(error))
        except (OSError, HTTPException, ValueError) as error:
            self._tries += not is_away(error)
            if self._tries < TRIES:
                raise
            self._state.pass_over(instance, repr(error))


def main() -> None:
    """Until it is stopped, or Lunar refuses everything."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    setting = os.environ.get
    orthanc = Orthanc(
        setting("ORTHANC_URL", "http://127.0.0.1:8043"), setting("ORTHANC_USER", ""), setting("ORTHANC_PASSWORD", "")
    )
    lunar, state = setting("LUNAR_URL", "http://127.0.0.1:8000"), State(Path(setting("FORWARD_STATE", "forward.state")))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # the first process of a container ignores it otherwise
    forwarder = Forwarder(orthanc, lunar, setting("LUNAR_KEY", ""), state)
    try:
        while True:
            time.sleep(forwarder.step())
    except Misconfigured as error:
        sys.exit(f"forward.py: {error}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    main()
