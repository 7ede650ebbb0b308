"""What is written down of a request, and what never is."""

import fcntl
import hashlib
import hmac
import json
import logging
import os
import stat
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pydantic import SecretStr

from inference.domain.taxonomy import CLASSES, DIAGNOSES, LANGUAGES
from service.observability.audit_log_file import AuditFile
from service.observability.logging_config import JsonFormatter
from tests.support import http
from tests.support.guarded_service import Guarded
from tests.support.lesion_images import lesion
from tests.support.paths import ROOT
from tests.support.settings import SECRET
from tests.support.waiting import LIMIT_S, wait_for

EXIF = Image.Exif()
EXIF[0x010E] = "patient Jane Doe"
GOOD = lesion(width=300, height=200, exif=EXIF)
FACTS = {
    "time", "level", "logger", "message", "request_id", "method", "path", "status", "milliseconds", "outcome", "key",
    "model", "version", "images",
}  # fmt: skip


def digest(data: bytes) -> str:
    """As docs/security.md describes it."""
    key = hmac.digest(SECRET.encode(), b"image", hashlib.sha256)
    return hmac.new(key, data, hashlib.sha256).hexdigest()


def test_a_request_can_be_accounted_for_without_what_was_seen(guarded: Guarded) -> None:
    """At a real process: every way an image takes, one that cannot be read, and a refusal."""
    files = {"file": ("jane-doe.jpg", GOOD, "image/jpeg")}
    encoded = {"inputs": [b64encode(GOOD).decode(), b64encode(b"no image").decode()]}
    key = guarded.user["X-API-Key"].partition(".")[0]
    with http.Client(base_url=guarded.address, headers={"X-Request-ID": "audited"}) as client:
        client.get("/")
        for path in ("/predict?lang=en", "/explain", "/result", "/"):
            assert client.post(path, files=files, headers=guarded.user).status_code == 200
        assert client.post("/invocations", json=encoded, headers=guarded.user).status_code == 200
        assert client.post("/predict", content=b"GIF89a", headers=guarded.user).status_code == 415
        assert client.post("/result", files=files).status_code == 200
        client.cookies.clear()
        assert client.post("/predict", files=files).status_code == 401
        client.get("/health/live")
    image = {"bytes": len(GOOD), "hash": digest(GOOD), "width": 300, "height": 200}
    broken = {"bytes": 8, "hash": digest(b"no image"), "width": None, "height": None}
    gif = {"bytes": 6, "hash": digest(b"GIF89a"), "width": None, "height": None}
    lines = written(guarded, 10)
    told = [(line["method"], line["path"], line["key"], line["outcome"], line["images"]) for line in lines]
    assert told == [
        ("GET", "/", None, "answered", []),
        ("POST", "/predict", key, "answered", [image]),
        ("POST", "/explain", key, "answered", [image]),
        ("POST", "/result", key, "answered", [image]),
        ("POST", "/", key, "answered", [image]),
        ("POST", "/invocations", key, "answered", [image, broken]),
        ("POST", "/predict", key, "unsupported-format", [gif]),
        ("POST", "/result", "page", "answered", [image]),
        ("POST", "/predict", None, "missing-key", []),
        ("GET", "/health/live", None, "answered", []),
    ]
    assert [(line["model"], line["version"]) for line in lines if line["images"]] == [("skin-lesion", "1")] * 7
    assert all(line.keys() == FACTS and line["milliseconds"] > 0 for line in lines)
    audited = [json.loads(line) for line in guarded.audit_file.read_text().splitlines()]
    assert [line for line in audited if line["request_id"] == "audited"] == lines[:-1], "all but the health check"
    assert not any(line["path"].startswith(("/health", "/static")) for line in audited)
    assert stat.S_IMODE(guarded.audit_file.stat().st_mode) == 0o600
    check_nothing_private(guarded.log.read_text() + guarded.audit_file.read_text(), guarded)


def written(guarded: Guarded, number: int) -> list[dict]:
    """The lines of the requests above; the last is written a moment after its answer."""

    def found() -> list[dict]:
        return [line for line in guarded.lines() if line["request_id"] == "audited"]

    wait_for(lambda: len(found()) >= number, lambda: f"{number} lines: {found()}")
    return found()


def check_nothing_private(written: str, guarded: Guarded) -> None:
    lower = written.lower()
    assert "jane" not in lower, "neither the file's name nor its metadata"
    assert not [code for code in CLASSES if f'"{code}"' in lower]
    names = {each.name(language).lower() for each in DIAGNOSES for language in LANGUAGES}
    assert not [name for name in names if name in lower]
    assert not [word for word in ("probabilit", "malignant", "confidence", "heatmap") if word in lower]
    assert b64encode(GOOD).decode()[:40] not in written
    assert hashlib.sha256(GOOD).hexdigest() not in written, "a hash without a key can be looked up"
    for secret in (SECRET, guarded.user["X-API-Key"].partition(".")[2], "lunar-session"):
        assert secret not in written


def lines_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.getMessage() == "request" and record.path == "/predict"]


def test_without_a_secret_there_is_no_hash(
    open_client: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        open_client().post("/predict", content=GOOD)
        open_client(secret=SecretStr(SECRET)).post("/predict", content=GOOD)
    assert [record.images[0]["hash"] for record in lines_of(caplog)] == [None, digest(GOOD)]
    assert lines_of(caplog)[0].key is None


def test_the_outcome_is_the_problems_slug(
    open_client: Callable[..., TestClient], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_client()
    with caplog.at_level(logging.INFO):
        for content in (GOOD, b"", GOOD[:99]):
            client.post("/predict", content=content)
        client.get("/predict")
        monkeypatch.setattr("inference.prediction.classifier.Classifier.predict", lambda *_: 1 / 0)
        client.post("/predict", content=GOOD)
    outcomes = [record.outcome for record in lines_of(caplog)]
    assert outcomes == ["answered", "no-image", "unreadable-image", "http", "internal"]


def test_the_file_is_appended_to_turned_over_and_kept_for_some_days(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    for day in range(4):
        for hour in range(2):
            file = AuditFile(path, days=2)
            file.emit(logging.LogRecord("service.request", logging.INFO, "", 0, f"day {day}, {hour}", None, None))
            file.close()
        file.rolloverAt -= 86400 * (4 - day)  # as if a night had passed: each day has a name of its own
        file.doRollover()
        file.close()
    kept = sorted(tmp_path.glob("audit.log.*"))
    assert [each.read_text() for each in kept] == ["day 2, 0\nday 2, 1\n", "day 3, 0\nday 3, 1\n"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, *kept)] == [0o600] * 3


# Arguments: the file, a name, and a folder where each process leaves a note when it has got as far as the other.
WRITER = """
import logging, sys
from pathlib import Path
from service.observability.audit_log_file import AuditFile
from service.observability.logging_config import JsonFormatter
from tests.support.waiting import wait_for

path, name, notes = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
file = AuditFile(path, days=9)

def meet(step):
    (notes / f"{step}-{name}").touch()
    wait_for(lambda: len(list(notes.glob(f"{step}-*"))) == 2, step)

for day in range(3):
    meet(f"morning {day}")
    for number in range(200):
        file.emit(logging.LogRecord("service.request", 20, "", 0, f"{name} {day} {number}", None, None))
    meet(f"evening {day}")
    file.rolloverAt -= 86400 * (4 - day)  # as if a night had passed: each day has a name of its own
file.close()
"""


@pytest.mark.slow
def test_two_processes_lose_no_day_of_a_file_that_they_share(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    path = tmp_path / "audit.log"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, name, str(notes)], cwd=ROOT) for name in ("a", "b")]
    assert [writer.wait(timeout=LIMIT_S) for writer in writers] == [0, 0]
    files = sorted(tmp_path.glob("audit.log*"))
    assert len(files) == 3, "one for each day"
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{name} {day} {n}" for name in "ab" for day in range(3) for n in range(200))


def test_a_day_that_is_turned_over_twice_keeps_both_halves(tmp_path: Path) -> None:
    """The clock may be set back over midnight."""
    path = tmp_path / "audit.log"
    file = AuditFile(path, days=9)
    for half in ("first", "second"):
        file.emit(logging.LogRecord("service.request", logging.INFO, "", 0, half, None, None))
        file.rolloverAt = 86400
        file.doRollover()
    file.close()
    (kept,) = tmp_path.glob("audit.log.*")
    assert kept.read_text() == "first\nsecond\n"


def audited(file: AuditFile, *lines: str) -> None:
    for line in lines:
        file.handle(logging.LogRecord("service.request", logging.INFO, "", 0, line, None, None))


def test_a_new_file_that_cannot_be_opened_is_opened_for_the_next_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)  # the line that is lost would be told on stderr
    file = AuditFile(tmp_path / "audit.log", days=9)
    audited(file, "before")
    file.rolloverAt = 86400
    with monkeypatch.context() as full:
        full.setattr(file, "_open", raising(OSError("no handle is left")))
        audited(file, "lost")
    audited(file, "after")
    file.close()
    assert (tmp_path / "audit.log").read_text() == "after\n"
    assert (tmp_path / "audit.log.1970-01-01").read_text() == "before\n"


def raising(error: OSError) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_a_file_that_cannot_be_renamed_gets_the_next_day_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its folder may be closed to the service although the file is not."""
    monkeypatch.setattr(Path, "rename", raising(PermissionError("the folder is read-only")))
    file = AuditFile(tmp_path / "audit.log", days=9)
    audited(file, "before")
    file.rolloverAt = 86400
    audited(file, "midnight", "after")
    file.close()
    assert (tmp_path / "audit.log").read_text() == "before\nmidnight\nafter\n"
    assert [(each.levelname, each.reason) for each in caplog.records] == [("WARNING", "the folder is read-only")]


def test_who_may_read_the_folder_cannot_stop_the_service(tmp_path: Path) -> None:
    """Any file that can be read can be locked, so the lock is one that only the service's user can read."""
    file = AuditFile(tmp_path / "audit.log", days=9)
    audited(file, "before")
    file.rolloverAt = 86400
    with folder_locked(tmp_path):
        night = threading.Thread(target=audited, args=(file, "after"), daemon=True)
        night.start()
        wait_for(lambda: not night.is_alive(), "the line of the new day is written")
    file.close()
    assert stat.S_IMODE((tmp_path / ".audit.log.lock").stat().st_mode) == 0o600


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("code", [0x00, 0x0A, 0x1B, 0x7F, 0x85, 0x9B, 0x2028, 0x2029, 0x202E, 0xD800])
def test_no_character_of_a_path_breaks_a_line_or_reaches_a_terminal(code: int) -> None:
    path = f"/a{chr(code)}b"
    record = logging.makeLogRecord({"msg": "request", "path": path})
    line = JsonFormatter().format(record)
    assert chr(code) not in line
    assert len(line.splitlines()) == 1
    assert json.loads(line)["path"] == path
    line.encode()


def test_a_line_has_a_limited_length() -> None:
    """An exception keeps its end, where the cause stands."""
    try:
        raise ValueError("x" * 1_000_000 + " the end")
    except ValueError:
        record = logging.makeLogRecord({"msg": "request", "path": "/" + "y" * 1_000_000, "exc_info": sys.exc_info()})
    line = JsonFormatter().format(record)
    assert len(line) < 30_000
    assert json.loads(line)["exception"].endswith(" the end")
    assert json.loads(line)["path"].startswith("/yyy")
