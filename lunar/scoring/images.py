"""Which images to classify: files, folders, patterns, lists and standard input, in their order and each once."""

import glob
import os
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from inference.imaging import file_format
from inference.imaging.errors import ImageTooLarge

STDIN = "-"
MOST_BYTES = 20_000_000  # of an image, as the service takes them unless LUNAR_MAX_BODY_BYTES says otherwise
# Of files in a folder. A file that is named itself may be called anything: its content decides.
SUFFIXES = frozenset(chain.from_iterable(file_format.SUFFIXES.values()))
_PATTERN = frozenset("*?[")


class NoImages(ValueError):
    """A folder, a pattern or a list names no image; the message says which."""


def find_images(named: Sequence[str], *, lists: Sequence[str], recursive: bool) -> tuple[str, ...]:
    """The names of all images, each file once, under the first of its names. Raises NoImages.

    What does not exist or cannot be read is kept: its answer is an error.
    """
    found: dict[str, str] = {}
    expanded = (_expand(name, recursive=recursive) for name in named)
    for name in chain(*expanded, *map(_read_list, lists)):
        found.setdefault(name if name == STDIN else identity(name), name)
    return tuple(found.values())


def read_image(name: str) -> bytes:
    """The content of an image. Raises OSError, ImageTooLarge, ValueError for a name that no file can have."""
    if name == STDIN:
        _require_stdin()
        content = sys.stdin.buffer.read(MOST_BYTES + 1)
    else:
        with Path(name).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ImageTooLarge(f"The file has more than {MOST_BYTES} bytes.")
    return content


def shown(name: str) -> str:
    """The name as it can be written: bytes that are not UTF-8 appear as `\\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def below(name: str) -> tuple[str, ...]:
    """The parts of an image's path below a folder of heat maps, without those that would lead out of it."""
    path = Path(shown(name))
    return tuple(part for part in path.parts if part not in (path.anchor, ".."))


def identity(name: str) -> str:
    """The same text for every name of one file: its absolute path, without following links."""
    return os.path.abspath(shown(name))  # noqa: PTH100 - Path.absolute keeps `..`


def _expand(name: str, *, recursive: bool) -> Iterator[str]:
    # Unlike Path, these take a name that no file can have for one of a file that is not there.
    if name != STDIN and os.path.isdir(name):  # noqa: PTH112
        yield from _in_folder(Path(name), recursive=recursive)
    elif name != STDIN and _PATTERN & set(name) and not os.path.exists(name):  # noqa: PTH110
        yield from _matching(name)
    else:
        yield name


def _in_folder(folder: Path, *, recursive: bool) -> Iterator[str]:
    """Its images, and each folder that cannot be read, whose answer is an error."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=lambda error: found.append(Path(error.filename))):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        found.extend(path for path in map(Path(place).joinpath, files) if _is_image(path) and _is_file(path))
    if not found:
        hint = "" if recursive else "; --recursive looks into its folders too"
        raise NoImages(f"the folder {folder} has no images{hint}")
    yield from map(str, sorted(found))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _is_file(path: Path) -> bool:
    """Also what cannot be looked at: its answer is an error."""
    try:
        return path.is_file()
    except OSError:
        return True


def _matching(pattern: str) -> Iterator[str]:
    names = glob.iglob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    files = sorted(name for name in names if _is_file(Path(name)))
    if not files:
        raise NoImages(f"no file matches {pattern}")
    yield from files


def _require_stdin() -> None:
    if sys.stdin is None:  # as after `<&-`
        raise OSError("standard input is closed")


def _read_list(name: str) -> list[str]:
    try:
        if name == STDIN:
            _require_stdin()
        text = sys.stdin.read().removeprefix("\ufeff") if name == STDIN else Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise NoImages(f"the list {name} cannot be read: {error}") from error
    names = [line for line in re.split(r"\r?\n", text) if line.strip()]
    if not names:
        raise NoImages(f"the list {name} names no images")
    return names
