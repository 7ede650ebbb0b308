"""Fetching HAM10000 from a Dataverse that misbehaves: a real server on this machine with a tiny data set."""

import contextlib
import hashlib
import io
import json
import logging
import re
import shutil
import socket
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import pytest

from inference.taxonomy import CLASSES
from training.download import BrokenDownload, Patience
from training.drawn import draw_lesion
from training.fetch import HAM10000, BrokenArchive, Contents, NoSpace, fetch
from training.index import InvalidDataset, read_index

CONTENTS = Contents(HAM10000.doi, HAM10000.metadata, HAM10000.archives, images=6)
ONE, TWO = CONTENTS.archives
PATIENCE = Patience(attempts=3, pause_s=0.0, timeout_s=5.0)
METADATA_ID, ONE_ID, TWO_ID, TEST_IMAGES_ID = 11, 12, 13, 14


def picture(number: int) -> bytes:
    return cv2.imencode(".jpg", draw_lesion(width=40, height=30, seed=number))[1].tobytes()


PICTURES = {f"ISIC_{number:07}.jpg": picture(number) for number in range(CONTENTS.images)}
TABLE = "lesion_id,image_id,dx\n" + "".join(
    f"HAM_{number},{Path(name).stem},{CLASSES[number]}\n" for number, name in enumerate(PICTURES)
)


def pack(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return packed.getvalue()


@dataclass
class Dataverse:
    """What is on the server, how it will misbehave (one fault a request for a file), and what was asked of it."""

    files: dict[int, tuple[str, bytes]]
    faults: dict[int, list[str]] = field(default_factory=dict)
    listed: dict[int, dict[str, object]] = field(default_factory=dict)  # fields of the listing that differ
    listing: bytes | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""
    excess: int = 0  # 256 KiB blocks that an endless file got rid of

    def answer(self) -> bytes:
        return self.listing or json.dumps({"status": "OK", "data": {"id": 1, "latestVersion": {"versionNumber": 4,
            "files": [{"label": name, "dataFile": self.entry(number)} for number, (name, _) in self.files.items()],
        }}}).encode()  # fmt: skip

    def entry(self, number: int) -> dict[str, object]:
        name, content = self.files[number]
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        entry = {"id": number, "filename": name, "filesize": len(content), "md5": md5, "checksum": {
            "type": "MD5", "value": md5,
        }}  # fmt: skip
        if name.endswith(".tab"):
            entry |= {"filesize": len(converted(content)), "originalFileFormat": "text/csv"}
            entry |= {"originalFileName": "HAM10000_metadata.csv", "originalFileSize": len(content)}
        entry |= self.listed.get(number, {})
        return {name: value for name, value in entry.items() if value is not None}

    def ranges(self, number: int) -> list[str | None]:
        return [asked for path, asked in self.asked if path == f"/store/{number}"]


def converted(table: bytes) -> bytes:
    """Dataverse's .tab of an uploaded table."""
    return b"\n".join(b"\t".join(b'"%s"' % cell for cell in line.split(b",")) for line in table.splitlines())


class Handler(BaseHTTPRequestHandler):
    shelf: Dataverse

    def do_GET(self) -> None:
        self.shelf.asked.append((self.path, self.headers.get("Range")))
        if self.headers["User-Agent"].lower().startswith("python"):
            self.reply(403, b"")
        elif self.path == f"/api/datasets/:persistentId/?persistentId=doi:{CONTENTS.doi}":
            self.reply(200, self.shelf.answer())
        elif found := re.fullmatch(r"/api/access/datafile/(\d+)(\?format=original)?", self.path):
            # The real one redirects to its object store, too.
            self.reply(303, b"", Location=f"/store/{found[1]}{'?original' if found[2] else ''}")
        elif found := re.fullmatch(r"/store/(\d+)(\?original)?", self.path):
            self.deliver(int(found[1]), original=bool(found[2]))
        else:
            self.reply(404, b"")

    def deliver(self, number: int, *, original: bool) -> None:
        name, content = self.shelf.files[number]
        if name.endswith(".tab") and not original:
            content = converted(content)
        faults = self.shelf.faults.get(number)
        fault = faults.pop(0) if faults else ""
        if fault == "wrong bytes":
            content = bytes([content[0] ^ 1]) + content[1:]
        if fault == "206":
            self.reply(206, bytes(len(content)))
            return
        if fault == "endless and untold":
            self.reply(200, content, told=None)
            with contextlib.suppress(ConnectionError):
                for self.shelf.excess in range(400):
                    self.wfile.write(bytes(1 << 18))
            return
        if fault.isdecimal():
            self.reply(int(fault), b"")
            return
        if fault.endswith("and untold"):
            self.reply(200, content + b"more" if "longer" in fault else content[:-9], told=None)
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and fault != "ignores ranges" else 0
        if fault == "another range":
            start //= 2
        rest = content[start:]
        told = len(rest) + {"tells more": 9, "tells less": -9}.get(fault, 0)
        body = rest[: len(rest) // 2] if fault == "breaks off" else rest
        if start:
            self.reply(206, body, told=told, Content_Range=f"bytes {start}-{len(content) - 1}/{start + told}")
        else:
            self.reply(200, body, told=told)

    def reply(self, status: int, body: bytes, *, told: int | None = -1, **headers: str) -> None:
        self.send_response(status)
        if told is not None:
            self.send_header("Content-Length", str(len(body) if told == -1 else told))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def serving(shelf: Dataverse, handler: type[Handler] = Handler) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (handler,), {"shelf": shelf})) as server:
        shelf.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def dataverse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dataverse]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    names = list(PICTURES)
    shelf = Dataverse({
        METADATA_ID: ("HAM10000_metadata.tab", TABLE.encode()),
        ONE_ID: (f"{ONE}.zip", pack({name: PICTURES[name] for name in names[:3]})),
        TWO_ID: (f"{TWO}.zip", pack({name: PICTURES[name] for name in names[3:]})),
        TEST_IMAGES_ID: ("ISIC2018_Task3_Test_Images.zip", b"not ours"),
    })  # fmt: skip
    with serving(shelf):
        yield shelf


def run(folder: Path, shelf: Dataverse, patience: Patience = PATIENCE) -> None:
    fetch(folder, dataverse=shelf.address, contents=CONTENTS, patience=patience)


def check_whole(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [ONE, TWO, "HAM10000_metadata.csv"]
    assert (folder / "HAM10000_metadata.csv").read_text() == TABLE
    records = read_index(folder / "HAM10000_metadata.csv", [folder / ONE, folder / TWO])
    assert {record.path.name: record.path.read_bytes() for record in records} == PICTURES


def test_the_whole_data_set_and_nothing_else(dataverse: Dataverse, tmp_path: Path) -> None:
    run(tmp_path / "new" / "folder", dataverse)
    check_whole(tmp_path / "new" / "folder")
    assert sorted(path for path, _ in dataverse.asked if "store" in path) == [
        f"/store/{METADATA_ID}?original", f"/store/{ONE_ID}", f"/store/{TWO_ID}",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "listed"), [
    ("HAM10000_metadata.tab", {"originalFileSize": None}),  # older servers
    ("HAM10000_metadata.csv", {}),
    ("HAM10000_metadata", {}),
])  # fmt: skip
def test_the_table_in_the_forms_it_is_listed_in(
    dataverse: Dataverse, tmp_path: Path, name: str, listed: dict[str, object]
) -> None:
    dataverse.files[METADATA_ID] = (name, TABLE.encode())
    dataverse.listed[METADATA_ID] = listed
    run(tmp_path, dataverse)
    check_whole(tmp_path)


def test_other_checksums(dataverse: Dataverse, tmp_path: Path) -> None:
    digest = hashlib.sha1(dataverse.files[ONE_ID][1], usedforsecurity=False).hexdigest().upper()
    dataverse.listed[ONE_ID] = {"checksum": {"type": "SHA-1", "value": digest}}
    run(tmp_path, dataverse)
    check_whole(tmp_path)


def test_a_connection_that_breaks_off_is_resumed(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.faults[ONE_ID] = ["breaks off", "breaks off"]
    dataverse.faults[TWO_ID] = ["503", "shorter and untold"]
    run(tmp_path, dataverse)
    check_whole(tmp_path)
    size = len(dataverse.files[ONE_ID][1])
    half, rest = size // 2, size - size // 2
    assert dataverse.ranges(ONE_ID) == [None, f"bytes={half}-", f"bytes={half + rest // 2}-"]
    assert dataverse.ranges(TWO_ID) == [None, None, f"bytes={len(dataverse.files[TWO_ID][1]) - 9}-"]


def test_a_server_that_keeps_breaking_off_is_given_up_and_the_next_run_resumes(
    dataverse: Dataverse, tmp_path: Path
) -> None:
    dataverse.faults[ONE_ID] = ["breaks off"] * PATIENCE.attempts
    with pytest.raises(BrokenDownload, match=rf"{ONE}\.zip: broke off \d+ bytes before the end, at attempt 3"):
        run(tmp_path, dataverse)
    kept = (tmp_path / f"{ONE}.zip.part").stat().st_size
    assert not (tmp_path / f"{ONE}.zip").exists() and 0 < kept < len(dataverse.files[ONE_ID][1])
    dataverse.asked.clear()
    run(tmp_path, dataverse)
    check_whole(tmp_path)
    assert dataverse.ranges(ONE_ID) == [f"bytes={kept}-"]


def test_a_listing_that_breaks_off_is_tried_again(dataverse: Dataverse, tmp_path: Path) -> None:
    class Once(Handler):
        def reply(self, status: int, body: bytes, *, told: int | None = -1, **headers: str) -> None:
            if "persistentId" in self.path and len(self.shelf.asked) == 1:
                body, told = body[:99], len(body)
            super().reply(status, body, told=told, **headers)

    with serving(dataverse, Once):
        run(tmp_path, dataverse)
    check_whole(tmp_path)


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
        run(tmp_path, dataverse)
    assert [path.name for path in tmp_path.iterdir()] == ["HAM10000_metadata.csv"]


def test_an_endless_file_is_hung_up_on(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.faults[ONE_ID] = ["endless and untold"]
    with pytest.raises(BrokenDownload, match="found more"):
        run(tmp_path, dataverse)
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
        run(tmp_path, dataverse)
    assert {path.name for path in tmp_path.iterdir()} <= {"HAM10000_metadata.csv"}
    run(tmp_path, dataverse)
    check_whole(tmp_path)


def test_a_part_left_by_a_killed_run_is_resumed(dataverse: Dataverse, tmp_path: Path) -> None:
    (tmp_path / f"{ONE}.zip.part").write_bytes(dataverse.files[ONE_ID][1][:70])
    (tmp_path / f"{TWO}.zip.part").write_bytes(dataverse.files[TWO_ID][1])
    run(tmp_path, dataverse)
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
    run(tmp_path, dataverse)
    check_whole(tmp_path)
    assert dataverse.ranges(ONE_ID) == asked


def test_a_part_longer_than_the_file_starts_over(dataverse: Dataverse, tmp_path: Path) -> None:
    (tmp_path / f"{ONE}.zip.part").write_bytes(dataverse.files[ONE_ID][1] + b"more")
    run(tmp_path, dataverse)
    check_whole(tmp_path)
    assert dataverse.ranges(ONE_ID) == [None]


@pytest.mark.parametrize("status", ["202", "403", "404"])
def test_a_refusal_is_not_tried_again(dataverse: Dataverse, tmp_path: Path, status: str) -> None:
    dataverse.faults[ONE_ID] = [status]
    with pytest.raises(BrokenDownload, match=f"expected status 200, found {status}"):
        run(tmp_path, dataverse)
    assert len(dataverse.ranges(ONE_ID)) == 1


def test_nobody_there(dataverse: Dataverse, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dataverse.address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(BrokenDownload, match=r"the listing of 10.7910/DVN/DBW86T: no answer .*at attempt 3"):
            run(tmp_path, dataverse)


def test_a_server_that_falls_silent(dataverse: Dataverse, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dataverse.address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(BrokenDownload, match="timed out"):
            run(tmp_path, dataverse, Patience(attempts=2, pause_s=0.0, timeout_s=0.1))
        assert time.monotonic() - begun < 3


@pytest.mark.parametrize(("listing", "cause"), [
    (b"<html>", "expected a listing of files"),
    (b'{"data": {"latestVersion": {"files": []}}}', f"expected {ONE}.zip, found no file"),
    (b" " * (17 << 20), "found more"),
])  # fmt: skip
def test_a_listing_that_is_none(dataverse: Dataverse, tmp_path: Path, listing: bytes, cause: str) -> None:
    dataverse.listing = listing
    with pytest.raises(BrokenDownload, match=cause):
        run(tmp_path, dataverse)


def test_a_listing_without_one_of_the_files(dataverse: Dataverse, tmp_path: Path) -> None:
    del dataverse.files[METADATA_ID]
    with pytest.raises(BrokenDownload, match=rf"expected HAM10000_metadata\.tab, found {ONE}\.zip, {TWO}\.zip, ISIC"):
        run(tmp_path, dataverse)


def test_a_checksum_nobody_knows(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.listed[TWO_ID] = {"checksum": {"type": "CRC-32", "value": "00"}}
    with pytest.raises(BrokenDownload, match=f"{TWO}.zip: expected a checksum of md5, .* found crc32"):
        run(tmp_path, dataverse)
    assert len(dataverse.asked) == 1


def test_too_little_space_is_said_before_anything_is_downloaded(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.listed[TWO_ID] = {"filesize": 10**15}
    with pytest.raises(NoSpace, match=r"2,000,000\.0 GB are needed in .*, [\d,.]+ GB are free"):
        run(tmp_path, dataverse)
    assert len(dataverse.asked) == 1


def test_what_is_already_downloaded_needs_no_space(dataverse: Dataverse, tmp_path: Path) -> None:
    size = shutil.disk_usage(tmp_path).free * 5 // 8
    dataverse.listed[TWO_ID] = {"filesize": size}
    dataverse.faults[ONE_ID] = ["403"] * 2
    with (tmp_path / f"{TWO}.zip.part").open("wb") as sparse:
        sparse.truncate(size)
    with pytest.raises(BrokenDownload, match=ONE):
        run(tmp_path, dataverse)
    (tmp_path / f"{TWO}.zip.part").unlink()
    with pytest.raises(NoSpace):
        run(tmp_path, dataverse)


def unpacked(folder: Path) -> None:
    (folder / "HAM10000_metadata.csv").write_text(TABLE)
    for number, (name, content) in enumerate(PICTURES.items()):
        part = folder / CONTENTS.archives[number // 3]
        part.mkdir(exist_ok=True)
        (part / name).write_bytes(content)


def test_a_kaggle_folder_is_accepted_as_it_is(
    dataverse: Dataverse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unpacked(tmp_path)
    (tmp_path / "hmnist_8_8_L.csv").write_text("Kaggle has these, too")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with caplog.at_level(logging.INFO):
        run(tmp_path, dataverse)
    assert dataverse.asked == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert "already holds the 6 images: nothing to download" in caplog.text


def test_an_incomplete_kaggle_folder_is_refused_with_counts(dataverse: Dataverse, tmp_path: Path) -> None:
    unpacked(tmp_path)
    (tmp_path / TWO / "ISIC_0000004.jpg").unlink()
    with pytest.raises(InvalidDataset, match=f"holds 5 of 6 images. To fetch them anew, first remove {ONE} and {TWO}"):
        run(tmp_path, dataverse)
    assert dataverse.asked == []


def test_what_is_there_is_not_fetched_again(dataverse: Dataverse, tmp_path: Path) -> None:
    unpacked(tmp_path)
    kaggles = TABLE.replace("\n", ",\n")  # its columns are others
    (tmp_path / "HAM10000_metadata.csv").write_text(kaggles)
    shutil.rmtree(tmp_path / TWO)
    run(tmp_path, dataverse)
    assert (tmp_path / "HAM10000_metadata.csv").read_text() == kaggles
    assert len(list((tmp_path / TWO).iterdir())) == 3
    assert [path for path, _ in dataverse.asked if "store" in path] == [f"/store/{TWO_ID}"]


def test_an_interrupted_unpacking_is_repeated(dataverse: Dataverse, tmp_path: Path) -> None:
    (tmp_path / f"{ONE}.zip").write_bytes(dataverse.files[ONE_ID][1])
    (tmp_path / f"{ONE}.part").mkdir()
    (tmp_path / f"{ONE}.part" / "ISIC_0000000.jpg").write_bytes(PICTURES["ISIC_0000000.jpg"][:50])
    (tmp_path / f"{ONE}.part" / "stranger.jpg").touch()
    run(tmp_path, dataverse)
    check_whole(tmp_path)
    assert dataverse.ranges(ONE_ID) == []


@pytest.mark.parametrize("archive", [
    pack({"../evil.jpg": b""}), pack({"a/ISIC_1.jpg": b""}), pack({"/evil.jpg": b""}), pack({"a\\..\\evil.jpg": b""}),
    pack({"C:evil.jpg": b""}), pack({".jpg": b""}), pack({"ISIC_1.jpg": b"", "run.py": b""}),
    pack({"ISIC_1.jpg/": b""}), pack({"ISIC_1.jpg": b"", "isic_1.jpg": b""}), pack({"ISIC_1.JPG": b""}),
    pack({"ISIC_1.jpg": bytes(100_000)}, zipfile.ZIP_DEFLATED),
    pack({"ISIC_1.jpg": b"lesion"}).replace(b"lesion", b"lesions"[1:]),
    b"no archive",
])  # fmt: skip
def test_an_archive_of_anything_but_plain_images_is_refused(
    dataverse: Dataverse, tmp_path: Path, archive: bytes
) -> None:
    dataverse.files[ONE_ID] = (f"{ONE}.zip", archive)
    folder = tmp_path / "deep" / "folder"
    with pytest.raises(BrokenArchive, match=rf"^{ONE}\.zip"):
        run(folder, dataverse)
    assert {path.name for path in tmp_path.rglob("*")} == {
        "deep", "folder", "HAM10000_metadata.csv", f"{ONE}.zip"
    }  # fmt: skip


def test_images_missing_from_the_archives_are_counted(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files[TWO_ID] = (f"{TWO}.zip", pack({"ISIC_0000003.jpg": PICTURES["ISIC_0000003.jpg"]}))
    with pytest.raises(InvalidDataset, match="holds 4 of 6 images"):
        run(tmp_path, dataverse)


def test_one_line_a_file_without_a_terminal(
    dataverse: Dataverse, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        run(tmp_path, dataverse)
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
    run(tmp_path, dataverse)
    assert f"\r{ONE}.zip [##############################]" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\033[K")
