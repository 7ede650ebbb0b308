"""What is written down of a request, and what never is."""

import hashlib
import hmac
import json
import logging
import stat
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pydantic import SecretStr

from inference.taxonomy import CLASSES, DIAGNOSES, LANGUAGES
from service.audit_file import AuditFile
from tests.guarding import SECRET, Guarded
from tests.service.conftest import lesion

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
    with httpx2.Client(base_url=guarded.address, headers={"X-Request-ID": "audited"}, timeout=30) as client:
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
    deadline = time.monotonic() + 5
    while len(found := [line for line in guarded.lines() if line["request_id"] == "audited"]) < number:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def check_nothing_private(written: str, guarded: Guarded) -> None:
    lower = written.lower()
    assert "jane" not in lower, "neither the file's name nor its metadata"
    assert not [code for code in CLASSES if f'"{code}"' in lower]
    names = {each.name(language).lower() for each in DIAGNOSES for language in LANGUAGES}
    assert not [name for name in names if name in lower]
    assert not [word for word in ("probabilit", "malignant", "confidence", "heatmap") if word in lower]
    assert b64encode(GOOD).decode()[:40] not in written
    assert hashlib.sha256(GOOD).hexdigest() not in written, "a hash without a key can be looked up"
    for secret in (SECRET, guarded.user["X-API-Key"].partition(".")[2], "lunar-visit"):
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
        monkeypatch.setattr("inference.classifier.Classifier.predict", lambda *_: 1 / 0)
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
    kept = sorted(each for each in tmp_path.iterdir() if each != path)
    assert [each.read_text() for each in kept] == ["day 2, 0\nday 2, 1\n", "day 3, 0\nday 3, 1\n"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, *kept)] == [0o600] * 3
