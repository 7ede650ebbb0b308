"""Which file belongs to which row of the labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lunar.scoring.images import NoImages, find_images
from lunar.validation.labels import InvalidLabels, LabelledImage, LabelTable, without_suffix


@dataclass(frozen=True, slots=True)
class Matched:
    """The rows by file, the images of rows without a file, and how many files stand in no row."""

    labelled: Mapping[str, LabelledImage]
    missing: tuple[str, ...]
    unlabelled: int


def match(table: LabelTable, folder: Path) -> Matched:
    """Match by the path below the folder, else by as many of its last parts as both have.

    So `P1/001.jpg` and `P2/001.jpg` are two images, and a table that names no folders fits if its names are unique.
    Raises InvalidLabels, NoImages.
    """
    if not folder.is_dir():
        raise InvalidLabels(f"{folder} is no folder")
    files: dict[str, str] = {}
    twice: dict[str, str] = {}
    for name in find_images([str(folder)], lists=(), recursive=True):
        if Path(name).is_dir():
            raise NoImages(f"the folder {name} cannot be read")
        relative = without_suffix(Path(name).relative_to(folder).as_posix())
        if files.setdefault(relative, name) != name:
            twice[relative] = name
    by_name: dict[str, list[str]] = {}
    for relative in files:
        by_name.setdefault(PurePosixPath(relative).name, []).append(relative)
    labelled: dict[str, LabelledImage] = {}
    for each in table.images:
        if (own := _find(each.image, files, by_name)) is None:
            continue
        if own in twice:
            raise InvalidLabels(f"two images are called {own}: {files[own]} and {twice[own]}")
        if (other := labelled.setdefault(files[own], each)) is not each:
            raise InvalidLabels(f"{other.image} and {each.image} are both the file {files[own]}")
    if not labelled:
        raise InvalidLabels(f"none of the {len(table.images)} labelled images is in {folder}")
    found = {each.image for each in labelled.values()}
    missing = tuple(sorted(each.image for each in table.images if each.image not in found))
    without_class = {own for name in table.unknown if (own := _find(name, files, by_name)) is not None}
    return Matched(labelled, missing, len(files) - len(labelled) - len(without_class))


def _find(image: str, files: Mapping[str, str], by_name: Mapping[str, list[str]]) -> str | None:
    if image in files:
        return image
    found = [each for each in by_name.get(PurePosixPath(image).name, ()) if _same_end(image, each)]
    if len(found) > 1:
        raise InvalidLabels(f"the image {image} may be {files[found[0]]} or {files[found[1]]}; name its folder too")
    return found[0] if found else None


def _same_end(one: str, other: str) -> bool:
    pairs = zip(reversed(PurePosixPath(one).parts), reversed(PurePosixPath(other).parts), strict=False)
    return all(a == b for a, b in pairs)
