"""examples/orthanc/forward.py with an Orthanc and a Lunar that are only dictionaries: what goes wrong, and then?"""

import importlib.util
import io
import json
from collections.abc import Callable
from email.message import Message
from http.client import IncompleteRead
from pathlib import Path
from types import ModuleType
from urllib.error import HTTPError, URLError

import pytest

from tests.support.paths import ROOT

DERMOSCOPIC = b"1.2.840.10008.5.1.4.1.1.77.1.4"
GOOD = b"--x\r\nContent-Type: application/dicom\r\n\r\nreport\r\n--x--\r\n", "multipart/related; boundary=x"


def refused(status: int, name: str, detail: str = "") -> HTTPError:
    body = json.dumps({"type": f"urn:lunar:problem:{name}", "detail": detail}).encode()
    return HTTPError("http://lunar/explain", status, name, Message(), io.BytesIO(body))


class Hospital:
    """Three new instances; `answer` is what Lunar does with the second."""

    def __init__(self, forward: ModuleType, folder: Path, answer: Callable[[], object]) -> None:
        self.stored: list[bytes] = []
        self.folder, self._answer = folder, answer
        self.last = 3
        forward.fetch = self.fetch
        state = forward.State(folder / "state")
        self.forwarder = forward.Forwarder(forward.Orthanc("http://orthanc", "u", "p"), "http://lunar", "key", state)

    def fetch(self, url: str, data: bytes | None = None, **headers: str) -> tuple[bytes, str]:
        if url.startswith("http://orthanc"):
            assert headers["Authorization"] == "Basic dTpw"
        if "/changes" in url:
            since = int(url.partition("since=")[2].partition("&")[0])
            new = [{"ChangeType": "NewInstance", "ID": f"i{n}", "Seq": n} for n in range(since + 1, self.last + 1)]
            return json.dumps({"Changes": new, "Done": True, "Last": self.last}).encode(), ""
        if url.endswith("/explain"):
            found = self._answer() if data == b"http://orthanc/instances/i2/file" else GOOD
            if isinstance(found, Exception):
                raise found
            return found
        if data is not None:
            self.stored.append(data)
        return (DERMOSCOPIC if url.endswith("SopClassUid") else url.encode()), ""

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.forwarder.step()

    @property
    def place(self) -> str:
        return (self.folder / "state").read_text()

    @property
    def dead(self) -> str:
        path = self.folder / "state.dead"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def forward() -> ModuleType:
    spec = importlib.util.spec_from_file_location("forward", ROOT / "examples/orthanc/forward.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("failure", [
    lambda: refused(500, "internal"), lambda: refused(503, "deadline-exceeded"), lambda: IncompleteRead(b""),
    lambda: TimeoutError(), lambda: refused(408, "slow-upload"), lambda: URLError(BrokenPipeError()),
    lambda: URLError(ConnectionResetError()), lambda: ConnectionResetError(),
])  # fmt: skip
def test_an_instance_that_always_fails_is_passed_over(
    forward: ModuleType, tmp_path: Path, failure: Callable[[], Exception]
) -> None:
    hospital = Hospital(forward, tmp_path, failure)
    hospital.steps(forward.TRIES - 1)
    assert (hospital.place, hospital.dead) == ("1", "")
    hospital.steps(1)
    assert (hospital.place, len(hospital.stored)) == ("3", 2)
    assert hospital.dead.startswith("i2 ")


@pytest.mark.parametrize("name", ["unreadable-image", "image-too-large", "not-acceptable", "unsupported-format"])
def test_what_lunar_cannot_read_is_passed_over_at_once(forward: ModuleType, tmp_path: Path, name: str) -> None:
    hospital = Hospital(forward, tmp_path, lambda: refused(422, name))
    hospital.steps(1)
    assert (hospital.place, hospital.dead) == ("3", f"i2 {name}\n")


@pytest.mark.parametrize("failure", [
    lambda: URLError("away"), lambda: refused(503, "overloaded"), lambda: refused(429, "rate-limited"),
    lambda: refused(502, ""), lambda: URLError(ConnectionRefusedError()), lambda: URLError(TimeoutError()),
])  # fmt: skip
def test_it_waits_for_lunar_as_long_as_it_takes(
    forward: ModuleType, tmp_path: Path, failure: Callable[[], Exception]
) -> None:
    hospital = Hospital(forward, tmp_path, failure)
    hospital.steps(forward.TRIES * 3)
    assert (hospital.place, hospital.dead) == ("1", "")


@pytest.mark.parametrize("failure", [
    lambda: refused(415, "unsupported-format", "The content is DICOM; reading it needs the extra dicom, see ..."),
    lambda: refused(406, "not-acceptable", "multipart/related needs the extra dicom"),
    lambda: refused(404, ""), lambda: refused(405, ""), lambda: refused(401, "unknown-key"),
    lambda: refused(400, "unknown-host"), lambda: refused(308, ""),
])  # fmt: skip
def test_what_refuses_every_instance_ends_it_and_loses_none(
    forward: ModuleType, tmp_path: Path, failure: Callable[[], Exception]
) -> None:
    hospital = Hospital(forward, tmp_path, failure)
    with pytest.raises(forward.Misconfigured, match=r"http://lunar refuses every instance: [34]"):
        hospital.steps(1)
    assert (hospital.place, hospital.dead) == ("1", "")


@pytest.mark.parametrize("state", ["500", "", "none"])
def test_a_place_that_cannot_be_right_is_the_beginning(forward: ModuleType, tmp_path: Path, state: str) -> None:
    (tmp_path / "state").write_text(state)
    hospital = Hospital(forward, tmp_path, lambda: GOOD)
    hospital.steps(2)
    assert (hospital.place, hospital.stored) == ("3", [b"report"] * 3)
