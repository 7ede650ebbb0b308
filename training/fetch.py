"""HAM10000 from its public home, a Dataverse, into the layout of its Kaggle copy, which training.index reads.

The addresses and fields are those of Dataverse's native API and data access API (guides.dataverse.org, version 6). The
data set also holds the test images of ISIC 2018 and segmentations: they are not fetched.
"""

import logging
import re
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from training.download import CHECKSUMS, BrokenDownload, Patience, Remote, download, part_of, read
from training.index import InvalidDataset, read_index

log = logging.getLogger(__name__)

HARVARD = "https://dataverse.harvard.edu"
PATIENCE = Patience()
_PICTURE = re.compile(r"\w[\w-]*\.jpg", re.ASCII)


class BrokenArchive(ValueError):
    """A downloaded archive is no zip of plainly named JPEGs; the message names the archive and the cause."""


class NoSpace(OSError):
    """The disk has not enough free space for the download and for what it unpacks to."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a complete folder holds: `metadata`.csv and, for each archive, a folder of its name with the images."""

    doi: str
    metadata: str
    archives: tuple[str, ...]
    images: int


HAM10000 = Contents(
    "10.7910/DVN/DBW86T", "HAM10000_metadata", ("HAM10000_images_part_1", "HAM10000_images_part_2"), images=10_015
)


class _Checksum(BaseModel):
    type: str
    value: str = Field(pattern=r"^[0-9A-Fa-f]+$")


class _DataFile(BaseModel):
    id: int
    filename: str
    filesize: int = Field(ge=0)
    checksum: _Checksum
    original_format: str | None = Field(None, alias="originalFileFormat")
    original_size: int | None = Field(None, alias="originalFileSize")


class _Entry(BaseModel):
    file: _DataFile = Field(alias="dataFile")


class _Version(BaseModel):
    files: list[_Entry]


class _Data(BaseModel):
    version: _Version = Field(alias="latestVersion")


class _Listing(BaseModel):
    data: _Data


def fetch(
    folder: Path, *, dataverse: str = HARVARD, contents: Contents = HAM10000, patience: Patience = PATIENCE
) -> None:
    """Make `folder` hold the whole data set; a folder that already does, such as Kaggle's, is left as it is.

    Can be interrupted and repeated: what is complete is kept, what is begun is resumed. Nothing that was in the folder
    is replaced. Raises BrokenDownload, BrokenArchive, NoSpace, and InvalidDataset where images are missing at the end.
    """
    if _is_complete(folder, contents):
        log.info("%s already holds the %s images: nothing to download", folder, f"{contents.images:,}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    remotes = _list(dataverse, contents, patience)
    missing = [name for name in contents.archives if not (folder / name).is_dir()]
    _check_space(folder, [remotes[name] for name in missing])
    metadata = folder / f"{contents.metadata}.csv"
    if not metadata.is_file():
        download(remotes[contents.metadata], metadata, patience=patience)
    for name in missing:
        archive = folder / f"{name}.zip"
        download(remotes[name], archive, patience=patience)
        _unpack(archive, folder / name)
        archive.unlink()
    if _is_complete(folder, contents):
        log.info("%s holds the %s images", folder, f"{contents.images:,}")


def _is_complete(folder: Path, contents: Contents) -> bool:
    """False where a part is not there yet. Raises InvalidDataset where all parts are there and do not fit."""
    metadata = folder / f"{contents.metadata}.csv"
    parts = [folder / name for name in contents.archives]
    if not metadata.is_file() or not all(part.is_dir() for part in parts):
        return False
    found = len(read_index(metadata, parts))
    if found != contents.images:
        names = " and ".join(contents.archives)
        raise InvalidDataset(
            f"{folder} holds {found:,} of {contents.images:,} images. To fetch them anew, first remove {names} there."
        )
    return True


def _list(dataverse: str, contents: Contents, patience: Patience) -> dict[str, Remote]:
    url = f"{dataverse}/api/datasets/:persistentId/?persistentId=doi:{contents.doi}"
    answer = read(f"the listing of {contents.doi}", url, patience=patience)
    try:
        listing = _Listing.model_validate_json(answer)
    except ValidationError as error:
        raise BrokenDownload(f"{url}: expected a listing of files, found something else: {error}") from error
    files = {entry.file.filename: entry.file for entry in listing.data.version.files}
    names: dict[str, tuple[str, ...]] = {name: (f"{name}.zip",) for name in contents.archives}
    names[contents.metadata] = tuple(f"{contents.metadata}{suffix}" for suffix in (".tab", ".csv", ""))
    remotes = {}
    for name, candidates in names.items():
        there = next((files[candidate] for candidate in candidates if candidate in files), None)
        if there is None:
            raise BrokenDownload(f"{url}: expected {candidates[0]}, found {', '.join(sorted(files)) or 'no file'}.")
        remotes[name] = _remote(there, dataverse)
    return remotes


def _remote(file: _DataFile, dataverse: str) -> Remote:
    checksum = file.checksum.type.lower().replace("-", "")
    if checksum not in CHECKSUMS:
        raise BrokenDownload(f"{file.filename}: expected a checksum of {', '.join(CHECKSUMS)}, found {checksum}.")
    url = f"{dataverse}/api/access/datafile/{file.id}"
    if file.original_format is None:
        return Remote(file.filename, url, file.filesize, checksum, file.checksum.value)
    # Dataverse turned this upload into a .tab file: `filesize` is that one's, the checksum is still the upload's
    # (IQSS/dataverse issues 5321, 8449, 9501). The upload is what we want; older servers do not tell its size.
    return Remote(file.filename, f"{url}?format=original", file.original_size, checksum, file.checksum.value)


def _check_space(folder: Path, archives: list[Remote]) -> None:
    """JPEGs unpack to about the archive's size, and one archive at a time lies beside what was unpacked."""
    sizes = [remote.size or 0 for remote in archives]
    targets = [folder / remote.name for remote in archives]
    present = sum(path.stat().st_size for target in targets for path in (target, part_of(target)) if path.exists())
    needed = sum(sizes) + max(sizes, default=0) - present
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise NoSpace(f"{needed / 1e9:,.1f} GB are needed in {folder}, {free / 1e9:,.1f} GB are free.")


def _unpack(archive: Path, folder: Path) -> None:
    """`folder` appears only when every image is in it; what an interrupted run left is thrown away."""
    part = part_of(folder)
    if part.exists():
        shutil.rmtree(part)
    part.mkdir()
    try:
        with zipfile.ZipFile(archive) as file:
            _check_members(file, archive)
            for member in file.infolist():
                with file.open(member) as source, (part / member.filename).open("xb") as target:
                    shutil.copyfileobj(source, target)
        part.replace(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BrokenArchive(f"{archive.name} cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    log.info("%s: %s images", folder.name, f"{sum(1 for _ in folder.iterdir()):,}")


def _check_members(file: zipfile.ZipFile, archive: Path) -> None:
    names = [member.filename for member in file.infolist()]
    strangers = [name for name in names if not _PICTURE.fullmatch(name)]
    if strangers:
        raise BrokenArchive(f"{archive.name}: {len(strangers)} members are no plain .jpg, such as {strangers[0]!r}.")
    if len({name.lower() for name in names}) < len(names):
        raise BrokenArchive(f"{archive.name}: a name occurs twice among its {len(names)} members.")
    unpacked, most = sum(member.file_size for member in file.infolist()), 2 * archive.stat().st_size
    if unpacked > most:  # zipfile writes no more of a member than is declared here
        raise BrokenArchive(f"{archive.name} would unpack to {unpacked:,} bytes, more than JPEGs can: {most:,}.")
