"""Fetching HAM10000 from a real server on this machine: its listing, its archives, and what is already there."""

import hashlib
import logging
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.support.dataverse_server import (
    CONTENTS,
    METADATA_ID,
    ONE,
    ONE_ID,
    PICTURES,
    TABLE,
    TWO,
    TWO_ID,
    Dataverse,
    Handler,
    check_whole,
    fetch_from_server,
    pack,
    serving,
)
from training.data.dataverse import BrokenArchive, NoSpace
from training.data.download import BrokenDownload
from training.data.ham10000 import InvalidDataset


def test_the_whole_data_set_and_nothing_else(dataverse: Dataverse, tmp_path: Path) -> None:
    fetch_from_server(tmp_path / "new" / "folder", dataverse)
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
    fetch_from_server(tmp_path, dataverse)
    check_whole(tmp_path)


def test_other_checksums(dataverse: Dataverse, tmp_path: Path) -> None:
    digest = hashlib.sha1(dataverse.files[ONE_ID][1], usedforsecurity=False).hexdigest().upper()
    dataverse.listed[ONE_ID] = {"checksum": {"type": "SHA-1", "value": digest}}
    fetch_from_server(tmp_path, dataverse)
    check_whole(tmp_path)


def test_a_listing_that_breaks_off_is_tried_again(dataverse: Dataverse, tmp_path: Path) -> None:
    class Once(Handler):
        def reply(self, status: int, body: bytes, *, told: int | None = -1, **headers: str) -> None:
            if "persistentId" in self.path and len(self.shelf.asked) == 1:
                body, told = body[:99], len(body)
            super().reply(status, body, told=told, **headers)

    with serving(dataverse, Once):
        fetch_from_server(tmp_path, dataverse)
    check_whole(tmp_path)


@pytest.mark.parametrize(("listing", "cause"), [
    (b"<html>", "expected a listing of files"),
    (b'{"data": {"latestVersion": {"files": []}}}', f"expected {ONE}.zip, found no file"),
    (b" " * (17 << 20), "found more"),
])  # fmt: skip
def test_a_listing_that_is_none(dataverse: Dataverse, tmp_path: Path, listing: bytes, cause: str) -> None:
    dataverse.listing = listing
    with pytest.raises(BrokenDownload, match=cause):
        fetch_from_server(tmp_path, dataverse)


def test_a_listing_without_one_of_the_files(dataverse: Dataverse, tmp_path: Path) -> None:
    del dataverse.files[METADATA_ID]
    with pytest.raises(BrokenDownload, match=rf"expected HAM10000_metadata\.tab, found {ONE}\.zip, {TWO}\.zip, ISIC"):
        fetch_from_server(tmp_path, dataverse)


def test_a_checksum_nobody_knows(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.listed[TWO_ID] = {"checksum": {"type": "CRC-32", "value": "00"}}
    with pytest.raises(BrokenDownload, match=f"{TWO}.zip: expected a checksum of md5, .* found crc32"):
        fetch_from_server(tmp_path, dataverse)
    assert len(dataverse.asked) == 1


def test_too_little_space_is_said_before_anything_is_downloaded(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.listed[TWO_ID] = {"filesize": 10**15}
    with pytest.raises(NoSpace, match=r"2,000,000\.0 GB are needed in .*, [\d,.]+ GB are free"):
        fetch_from_server(tmp_path, dataverse)
    assert len(dataverse.asked) == 1


def test_what_is_already_downloaded_needs_no_space(dataverse: Dataverse, tmp_path: Path) -> None:
    size = shutil.disk_usage(tmp_path).free * 5 // 8
    dataverse.listed[TWO_ID] = {"filesize": size}
    dataverse.faults[ONE_ID] = ["403"] * 2
    with (tmp_path / f"{TWO}.zip.part").open("wb") as sparse:
        sparse.truncate(size)
    with pytest.raises(BrokenDownload, match=ONE):
        fetch_from_server(tmp_path, dataverse)
    (tmp_path / f"{TWO}.zip.part").unlink()
    with pytest.raises(NoSpace):
        fetch_from_server(tmp_path, dataverse)


def unpacked(folder: Path) -> None:
    (folder / "HAM10000_metadata.csv").write_text(TABLE)
    for number, (name, content) in enumerate(PICTURES.items()):
        images = folder / CONTENTS.archives[number // 3]
        images.mkdir(exist_ok=True)
        (images / name).write_bytes(content)


def test_a_kaggle_folder_is_accepted_as_it_is(
    dataverse: Dataverse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unpacked(tmp_path)
    (tmp_path / "hmnist_8_8_L.csv").write_text("Kaggle has these, too")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with caplog.at_level(logging.INFO):
        fetch_from_server(tmp_path, dataverse)
    assert dataverse.asked == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert "already contains the 6 images: nothing to download" in caplog.text


def test_an_incomplete_kaggle_folder_is_refused_with_counts(dataverse: Dataverse, tmp_path: Path) -> None:
    unpacked(tmp_path)
    (tmp_path / TWO / "ISIC_0000004.jpg").unlink()
    with pytest.raises(InvalidDataset, match=f"contains 5 of 6 images. To download them again, remove {ONE} and {TWO}"):
        fetch_from_server(tmp_path, dataverse)
    assert dataverse.asked == []


def test_what_is_there_is_not_fetched_again(dataverse: Dataverse, tmp_path: Path) -> None:
    unpacked(tmp_path)
    kaggles = TABLE.replace("\n", ",\n")  # its columns are others
    (tmp_path / "HAM10000_metadata.csv").write_text(kaggles)
    shutil.rmtree(tmp_path / TWO)
    fetch_from_server(tmp_path, dataverse)
    assert (tmp_path / "HAM10000_metadata.csv").read_text() == kaggles
    assert len(list((tmp_path / TWO).iterdir())) == 3
    assert [path for path, _ in dataverse.asked if "store" in path] == [f"/store/{TWO_ID}"]


def test_an_interrupted_unpacking_is_repeated(dataverse: Dataverse, tmp_path: Path) -> None:
    (tmp_path / f"{ONE}.zip").write_bytes(dataverse.files[ONE_ID][1])
    (tmp_path / f"{ONE}.part").mkdir()
    (tmp_path / f"{ONE}.part" / "ISIC_0000000.jpg").write_bytes(PICTURES["ISIC_0000000.jpg"][:50])
    (tmp_path / f"{ONE}.part" / "stranger.jpg").touch()
    fetch_from_server(tmp_path, dataverse)
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
        fetch_from_server(folder, dataverse)
    assert {path.name for path in tmp_path.rglob("*")} == {
        "deep", "folder", "HAM10000_metadata.csv", f"{ONE}.zip"
    }  # fmt: skip


def test_images_missing_from_the_archives_are_counted(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files[TWO_ID] = (f"{TWO}.zip", pack({"ISIC_0000003.jpg": PICTURES["ISIC_0000003.jpg"]}))
    with pytest.raises(InvalidDataset, match="contains 4 of 6 images"):
        fetch_from_server(tmp_path, dataverse)
