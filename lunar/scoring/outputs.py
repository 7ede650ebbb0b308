"""The files that a job writes, looked at before anything is computed: none is overwritten, all can be written."""

import argparse
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from lunar.scoring import tables
from lunar.scoring.images import STDIN, below, identity, shown

LINES = ".lines.jsonl"  # behind the name of a table: the lines that it is made from


class BadOutput(ValueError):
    """A file cannot be written, or would take the place of another one; the message says which, and what to do."""


def lines_file(options: argparse.Namespace) -> Path | None:
    """The file of the lines: --out, or one beside the first table; None for stdout."""
    if options.out:
        return Path(options.out)
    table: Path | None = next(iter(_tables(options)), None)
    return table.with_name(table.name + LINES) if table else None


def check(options: argparse.Namespace, names: Sequence[str]) -> None:
    """Raises BadOutput for what `lunar predict` could not or must not write."""
    lines = lines_file(options)
    written = dict.fromkeys((*([lines] if lines else []), *_tables(options)))
    inputs = {identity(name) for name in (*names, *options.list) if name != STDIN}
    for path in written:
        if identity(str(path)) in inputs:
            raise BadOutput(f"{path} is an image or a list of this job, and cannot be written")
        _check_writable(path)
        if not (options.resume and lines and lines.exists()):
            _check_new(path, lines)
        elif path != lines and path.exists() and not tables.is_of_answers(path):
            raise BadOutput(f"{path} exists and is no table of lunar predict: name another file, or move it away")
    if options.heatmaps:
        _check_heatmaps(options.heatmaps, options, names)
    if options.isic:
        _check_stems(names)


def check_folder(folder: Path) -> None:
    """Raises BadOutput if it is not there and cannot be made, or if nothing can be written into it."""
    whole = folder.absolute()
    nearest = next(each for each in (whole, *whole.parents) if each.exists())
    if not nearest.is_dir():
        raise BadOutput(f"{folder} cannot be made: {nearest} is no folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise BadOutput(f"nothing can be written into {nearest}")


def _tables(options: argparse.Namespace) -> Iterator[Path]:
    yield from (path for path in (options.csv, options.parquet, options.isic) if path)


def _check_new(path: Path, lines: Path | None) -> None:
    if path.exists() and path == lines:
        raise BadOutput(f"{path} exists: --resume goes on with it; otherwise move it away")
    if path.exists():
        raise BadOutput(f"{path} exists, and its lines {lines} do not: move it away to begin again")


def _check_writable(path: Path) -> None:
    if path.is_dir():
        raise BadOutput(f"{path} is a folder; name a file")
    check_folder(path.parent)


def _check_heatmaps(folder: Path, options: argparse.Namespace, names: Sequence[str]) -> None:
    check_folder(folder)
    read = [Path(identity(image)) for image in options.images if image != STDIN]
    if len(names) > 1:  # perhaps by a pattern, which may have been the shell's
        read += {Path(identity(name)).parent for name in names if name != STDIN}
    written = {name: Path(identity(str(folder.joinpath(*below(name))))) for name in names}
    for place in {path.parent for path in written.values()}:
        for image in read:
            if place == image or (options.recursive and place.is_relative_to(image)):
                raise BadOutput(f"heat maps in {place} would be images of the next job, which reads {image}")
    if not options.resume:
        _check_no_maps(written.values())
    if found := _twice(names, below):
        raise BadOutput(f"the heat maps of {found[0]} and {found[1]} would have the same names")


def _check_no_maps(images: Collection[Path]) -> None:
    """`images`: where the maps of each go, without what their names end with."""
    places = {image.parent for image in images if image.parent.is_dir()}
    there = {place: [each.name for each in place.iterdir()] for place in places}
    for image in images:
        for name in there.get(image.parent, ()):
            if name.startswith(f"{image.name}.") and name.endswith(".png"):
                raise BadOutput(f"{image.parent / name} exists: name another folder of heat maps, or move it away")


def _check_stems(names: Sequence[str]) -> None:
    if found := _twice(names, lambda name: Path(name).stem):
        words = "a table of the ISIC challenge has one row for each name without suffix"
        raise BadOutput(f"{found[0]} and {found[1]} have the same name; {words}")


def _twice(names: Sequence[str], key: Callable[[str], object]) -> tuple[str, str] | None:
    """Two names with the same key, as they are shown."""
    seen: dict[object, str] = {}
    for name in names:
        if (first := seen.setdefault(key(name), name)) != name:
            return shown(first), shown(name)
    return None
