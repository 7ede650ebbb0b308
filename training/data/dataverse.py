"""Downloads HAM10000 from Harvard Dataverse into the layout of its Kaggle copy, which training.data.ham10000 reads.

The URLs and fields are those of Dataverse's native API and data access API (guides.dataverse.org, version 6). The data
set also contains the test images of ISIC 2018 and segmentations, which are not downloaded.
"""

import logging
import re
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from training.data.download import CHECKSUMS, BrokenDownload, Remote, RetryPolicy, download, part_of, read
from training.data.ham10000 import InvalidDataset, read_index

log = logging.getLogger(__name__)

HARVARD = "https://dataverse.harvard.edu"
RETRIES = RetryPolicy()
_IMAGE_NAME = re.compile(r"\w[\w-]*\.jpg", re.ASCII)


class BrokenArchive(ValueError):
    """A downloaded archive is not a zip of JPEGs with plain names; the message names the archive and the cause."""


class NoSpace(OSError):
    """The disk has not enough free space for the archives and the images in them."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a complete folder contains: `metadata`.csv and, for each archive, a folder of its name with the images.

    `images` is the number of images in all folders together.
    """

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
    folder: Path, *, dataverse: str = HARVARD, contents: Contents = HAM10000, retries: RetryPolicy = RETRIES
) -> None:
    """Download the data set into `folder`; do nothing if the folder is complete, such as a copy from Kaggle.

    The download can be interrupted and repeated: complete files are kept, incomplete ones are resumed. No file that was
    in the folder is replaced. Raises BrokenDownload, BrokenArchive, NoSpace, and InvalidDataset if images are missing
    at the end.
    """
    if _is_complete(folder, contents):
        log.info("%s already contains the %s images: nothing to download", folder, f"{contents.images:,}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    remotes = _list(dataverse, contents, retries)
    missing = [name for name in contents.archives if not (folder / name).is_dir()]
    _check_space(folder, [remotes[name] for name in missing])
    metadata = folder / f"{contents.metadata}.csv"
    if not metadata.is_file():
        download(remotes[contents.metadata], metadata, retries=retries)
    for name in missing:
        archive = folder / f"{name}.zip"
        download(remotes[name], archive, retries=retries)
        _unpack(archive, folder / name)
        archive.unlink()
    if _is_complete(folder, contents):
        log.info("%s contains the %s images", folder, f"{contents.images:,}")


def _is_complete(folder: Path, contents: Contents) -> bool:
    """Whether all files are there. Raises InvalidDataset if they are and the number of images is wrong."""
    metadata = folder / f"{contents.metadata}.csv"
    folders = [folder / name for name in contents.archives]
    if not metadata.is_file() or not all(folder.is_dir() for folder in folders):
        return False
    images = len(read_index(metadata, folders))
    if images != contents.images:
        names = " and ".join(contents.archives)
        raise InvalidDataset(
            f"{folder} contains {images:,} of {contents.images:,} images. To download them again, remove {names} there."
        )
    return True


def _list(dataverse: str, contents: Contents, retries: RetryPolicy) -> dict[str, Remote]:
    """The files to download, by their names in `contents`. Raises BrokenDownload."""
    url = f"{dataverse}/api/datasets/:persistentId/?persistentId=doi:{contents.doi}"
    content = read(f"the listing of {contents.doi}", url, retries=retries)
    try:
        listing = _Listing.model_validate_json(content)
    except ValidationError as error:
        raise BrokenDownload(f"{url}: expected a listing of files, found another content: {error}") from error
    files = {entry.file.filename: entry.file for entry in listing.data.version.files}
    names: dict[str, tuple[str, ...]] = {name: (f"{name}.zip",) for name in contents.archives}
    names[contents.metadata] = tuple(f"{contents.metadata}{suffix}" for suffix in (".tab", ".csv", ""))
    remotes = {}
    for name, candidates in names.items():
        file = next((files[candidate] for candidate in candidates if candidate in files), None)
        if file is None:
            raise BrokenDownload(f"{url}: expected {candidates[0]}, found {', '.join(sorted(files)) or 'no file'}.")
        remotes[name] = _remote(file, dataverse)
    return remotes


def _remote(file: _DataFile, dataverse: str) -> Remote:
    checksum = file.checksum.type.lower().replace("-", "")
    if checksum not in CHECKSUMS:
        raise BrokenDownload(f"{file.filename}: expected a checksum of {', '.join(CHECKSUMS)}, found {checksum}.")
    url = f"{dataverse}/api/access/datafile/{file.id}"
    if file.original_format is None:
        return Remote(file.filename, url, file.filesize, checksum, file.checksum.value)
    # Dataverse converted this upload to a .tab file: `filesize` is that of the .tab file, the checksum that of the
    # upload (IQSS/dataverse issues 5321, 8449, 9501). We download the upload; older servers do not state its size.
    return Remote(file.filename, f"{url}?format=original", file.original_size, checksum, file.checksum.value)


def _check_space(folder: Path, archives: list[Remote]) -> None:
    """Raise NoSpace unless the images and one archive fit on the disk: JPEGs are about as large as their archive."""
    sizes = [remote.size or 0 for remote in archives]
    targets = [folder / remote.name for remote in archives]
    existing = sum(path.stat().st_size for target in targets for path in (target, part_of(target)) if path.exists())
    needed = sum(sizes) + max(sizes, default=0) - existing
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise NoSpace(f"{needed / 1e9:,.1f} GB are needed in {folder}, {free / 1e9:,.1f} GB are free.")


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack the archive. `folder` appears only with all images; what an interrupted run left is deleted."""
    staging = part_of(folder)
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir()
    try:
        with zipfile.ZipFile(archive) as file:
            _check_members(file, archive)
            for member in file.infolist():
                with file.open(member) as source, (staging / member.filename).open("xb") as target:
                    shutil.copyfileobj(source, target)
        staging.replace(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BrokenArchive(f"{archive.name} cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    log.info("%s: %s images", folder.name, f"{sum(1 for _ in folder.iterdir()):,}")


def _check_members(file: zipfile.ZipFile, archive: Path) -> None:
    """Raise BrokenArchive for a path, another suffix, a repeated name, or a size that no JPEG unpacks to."""
    names = [member.filename for member in file.infolist()]
    others = [name for name in names if not _IMAGE_NAME.fullmatch(name)]
    if others:
        raise BrokenArchive(f"{archive.name}: {len(others)} members are not plain .jpg, such as {others[0]!r}.")
    if len({name.lower() for name in names}) < len(names):
        raise BrokenArchive(f"{archive.name}: a name occurs twice among its {len(names)} members.")
    unpacked, limit = sum(member.file_size for member in file.infolist()), 2 * archive.stat().st_size
    if unpacked > limit:  # zipfile never writes more of a member than the size declared here
        raise BrokenArchive(f"{archive.name} would unpack to {unpacked:,} bytes; JPEGs need at most {limit:,}.")
