"""A Dataverse on this machine with a tiny copy of HAM10000, which can misbehave in the ways that servers do."""

import contextlib
import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2

from inference.domain.taxonomy import CLASSES
from tests.support.waiting import LIMIT_S
from training.data.dataverse import HAM10000, Contents, fetch
from training.data.download import RetryPolicy
from training.data.ham10000 import read_index
from training.data.synthetic_lesions import draw_lesion

CONTENTS = Contents(HAM10000.doi, HAM10000.metadata, HAM10000.archives, images=6)
ONE, TWO = CONTENTS.archives
RETRIES = RetryPolicy(attempts=3, pause_s=0.0, timeout_s=LIMIT_S)
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
    """The files on the server, its faults (one for each request for a file), and the requests that it received."""

    files: dict[int, tuple[str, bytes]]
    faults: dict[int, list[str]] = field(default_factory=dict)
    listed: dict[int, dict[str, object]] = field(default_factory=dict)  # fields of the listing to replace
    listing: bytes | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""
    excess: int = 0  # blocks of 256 KiB of an endless file that were sent

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
    """Answers as Dataverse does, apart from the faults."""

    shelf: Dataverse

    def do_GET(self) -> None:
        self.shelf.asked.append((self.path, self.headers.get("Range")))
        if self.headers["User-Agent"].lower().startswith("python"):
            self.reply(403, b"")
        elif self.path == f"/api/datasets/:persistentId/?persistentId=doi:{CONTENTS.doi}":
            self.reply(200, self.shelf.answer())
        elif found := re.fullmatch(r"/api/access/datafile/(\d+)(\?format=original)?", self.path):
            # The real server redirects to its object store, too.
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
    """Serve the files of `shelf` at its `address`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (handler,), {"shelf": shelf})) as server:
        shelf.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def fetch_from_server(folder: Path, shelf: Dataverse, retries: RetryPolicy = RETRIES) -> None:
    """Fetch the tiny data set from the server into the folder."""
    fetch(folder, dataverse=shelf.address, contents=CONTENTS, retries=retries)


def check_whole(folder: Path) -> None:
    """Assert that the folder contains the table and all images, and nothing else."""
    assert sorted(path.name for path in folder.iterdir()) == [ONE, TWO, "HAM10000_metadata.csv"]
    assert (folder / "HAM10000_metadata.csv").read_text() == TABLE
    records = read_index(folder / "HAM10000_metadata.csv", [folder / ONE, folder / TWO])
    assert {record.path.name: record.path.read_bytes() for record in records} == PICTURES
