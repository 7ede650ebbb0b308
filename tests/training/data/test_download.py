"""Downloading files from a server that misbehaves: interruptions, wrong lengths, wrong bytes, refusals."""

import hashlib
import io
import logging
import re
import socket
import sys
from pathlib import Path

import pytest

from tests.support.dataverse_server import (
    METADATA_ID,
    ONE,
    ONE_ID,
    RETRIES,
    TWO,
    TWO_ID,
    Dataverse,
    check_whole,
    fetch_from_server,
)
from training.data.download import BrokenDownload, RetryPolicy


def test_a_connection_that_breaks_off_is_resumed(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.faults[ONE_ID] = ["breaks off", "breaks off"]
    dataverse.faults[TWO_ID] = ["503", "shorter and untold"]
    fetch_from_server(tmp_path, dataverse)
    check_whole(tmp_path)
    size = len(dataverse.files[ONE_ID][1])
    half, rest = size // 2, size - size // 2
    assert dataverse.ranges(ONE_ID) == [None, f"bytes={half}-", f"bytes={half + rest // 2}-"]
    assert dataverse.ranges(TWO_ID) == [None, None, f"bytes={len(dataverse.files[TWO_ID][1]) - 9}-"]


def test_a_server_that_keeps_breaking_off_is_given_up_and_the_next_run_resumes(
    dataverse: Dataverse, tmp_path: Path
) -> None:
    dataverse.faults[ONE_ID] = ["breaks off"] * RETRIES.attempts
    with pytest.raises(BrokenDownload, match=rf"{ONE}\.zip: broke off \d+ bytes before the end, at attempt 3"):
        fetch_from_server(tmp_path, dataverse)
    kept = (tmp_path / f"{ONE}.zip.part").stat().st_size
    assert not (tmp_path / f"{ONE}.zip").exists() and 0 < kept < len(dataverse.files[ONE_ID][1])
    dataverse.asked.clear()
    fetch_from_server(tmp_path, dataverse)
    check_whole(tmp_path)
    assert dataverse.ranges(ONE_ID) == [f"bytes={kept}-"]


@pytest.mark.parametrize(("fault", "found"), [
    ("tells more", "the server announces {more}"),
    ("tells less", "the server announces {less}"),
    ("longer and untold", "found more"),
])  # fmt: skip
@pytest.mark.parametrize("begun", [0, 100])
def test_a_server_that_lies_about_the_length(
    dataverse: Dataverse, tmp_path: Path, fault: str, found: str, begun: int
) -> None:
    content = dataverse.files[ONE_ID][1]
    (tmp_path / f"{ONE}.zip.part").write_bytes(content[:begun])
    dataverse.faults[ONE_ID] = [fault]
    found = found.format(more=len(content) + 9, less=len(content) - 9)
    with pytest.raises(BrokenDownload, match=rf"{ONE}\.zip: expected {len(content)} bytes, {found}"):
        fetch_from_server(tmp_path, dataverse)
    assert [path.name for path in tmp_path.iterdir()] == ["HAM10000_metadata.csv"]


def test_an_endless_file_is_hung_up_on(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.faults[ONE_ID] = ["endless and untold"]
    with pytest.raises(BrokenDownload, match="found more"):
        fetch_from_server(tmp_path, dataverse)
    assert dataverse.excess < 399


@pytest.mark.parametrize(("number", "name"), [(METADATA_ID, "HAM10000_metadata.tab"), (ONE_ID, f"{ONE}.zip")])
def test_wrong_bytes_are_thrown_away(dataverse: Dataverse, tmp_path: Path, number: int, name: str) -> None:
    dataverse.faults[number] = ["wrong bytes"]
    content = dataverse.files[number][1]
    right, wrong = (
        hashlib.md5(data, usedforsecurity=False).hexdigest()
        for data in (content, bytes([content[0] ^ 1]) + content[1:])
    )
    with pytest.raises(BrokenDownload, match=rf"{re.escape(name)}: expected md5 {right}, found {wrong}"):
        fetch_from_server(tmp_path, dataverse)
    assert {path.name for path in tmp_path.iterdir()} <= {"HAM10000_metadata.csv"}
    fetch_from_server(tmp_path, dataverse)
    check_whole(tmp_path)


def test_a_part_left_by_a_killed_run_is_resumed(dataverse: Dataverse, tmp_path: Path) -> None:
    (tmp_path / f"{ONE}.zip.part").write_bytes(dataverse.files[ONE_ID][1][:70])
    (tmp_path / f"{TWO}.zip.part").write_bytes(dataverse.files[TWO_ID][1])
    fetch_from_server(tmp_path, dataverse)
    check_whole(tmp_path)
    assert dataverse.ranges(ONE_ID) == ["bytes=70-"]
    assert dataverse.ranges(TWO_ID) == []


@pytest.mark.parametrize(("fault", "asked"), [
    ("ignores ranges", ["bytes=70-"]),
    ("another range", ["bytes=70-", None]),
    ("416", ["bytes=70-", None]),
    ("206", ["bytes=70-", None]),  # without a Content-Range
])  # fmt: skip
def test_a_server_that_does_not_resume_starts_over(
    dataverse: Dataverse, tmp_path: Path, fault: str, asked: list[str | None]
) -> None:
    (tmp_path / f"{ONE}.zip.part").write_bytes(b"?" * 70)
    dataverse.faults[ONE_ID] = [fault]
    fetch_from_server(tmp_path, dataverse)
    check_whole(tmp_path)
    assert dataverse.ranges(ONE_ID) == asked


def test_a_part_longer_than_the_file_starts_over(dataverse: Dataverse, tmp_path: Path) -> None:
    (tmp_path / f"{ONE}.zip.part").write_bytes(dataverse.files[ONE_ID][1] + b"more")
    fetch_from_server(tmp_path, dataverse)
    check_whole(tmp_path)
    assert dataverse.ranges(ONE_ID) == [None]


@pytest.mark.parametrize("status", ["202", "403", "404"])
def test_a_refusal_is_not_tried_again(dataverse: Dataverse, tmp_path: Path, status: str) -> None:
    dataverse.faults[ONE_ID] = [status]
    with pytest.raises(BrokenDownload, match=f"expected status 200, found {status}"):
        fetch_from_server(tmp_path, dataverse)
    assert len(dataverse.ranges(ONE_ID)) == 1


def test_nobody_there(dataverse: Dataverse, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dataverse.address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(BrokenDownload, match=r"the listing of 10.7910/DVN/DBW86T: no answer .*at attempt 3"):
            fetch_from_server(tmp_path, dataverse)


def test_a_server_that_falls_silent(dataverse: Dataverse, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dataverse.address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(BrokenDownload, match=r"timed out.*at attempt 2"):
            fetch_from_server(tmp_path, dataverse, RetryPolicy(attempts=2, pause_s=0.0, timeout_s=0.1))


def test_one_line_a_file_without_a_terminal(
    dataverse: Dataverse, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        fetch_from_server(tmp_path, dataverse)
    assert capsys.readouterr().err == ""
    assert [message.split(":")[0] for message in caplog.messages if "md5 as listed" in message] == [
        "HAM10000_metadata.tab", f"{ONE}.zip", f"{TWO}.zip",
    ]  # fmt: skip


def test_a_bar_on_a_terminal(dataverse: Dataverse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fetch_from_server(tmp_path, dataverse)
    assert f"\r{ONE}.zip [##############################]" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\033[K")
