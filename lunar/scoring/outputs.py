"""The files that a job writes, looked at before anything is computed: none is overwritten, all can be written."""

import argparse
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
    resumed = bool(options.resume and lines and lines.exists())
    inputs = {identity(name) for name in (*names, *options.list) if name != STDIN}
    for path in written:
        if identity(str(path)) in inputs:
            raise BadOutput(f"{path} is an image or a list of this job, and cannot be written")
        _check_writable(path)
        if not resumed:
            _check_new(path, lines)
        elif path != lines and path.exists():
            is_own = tables.is_parquet_of_answers if path == options.parquet else tables.is_of_answers
            if not is_own(path):
                raise BadOutput(f"{path} exists and is no table of lunar predict: name another file, or move it away")
    if options.heatmaps:
        places = {name: Path(identity(str(options.heatmaps.joinpath(*below(name))))) for name in names}
        _check_heatmaps(options.heatmaps, options, places)
        if not resumed:
            _check_no_maps(places.values())
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


def _check_heatmaps(folder: Path, options: argparse.Namespace, places: Mapping[str, Path]) -> None:
    """`places`: where the maps of each image go, without what their names end with."""
    check_folder(folder)
    read = [Path(identity(image)) for image in options.images if image != STDIN]
    # Several images may be those of a pattern, which the shell may have expanded.
    beside = {Path(identity(name)).parent for name in places if name != STDIN} if len(places) > 1 else set()
    for place in {path.parent for path in places.values()}:
        around = [image for image in read if options.recursive and place.is_relative_to(image)]
        if around or place in beside or place in read:
            raise BadOutput(f"heat maps in {place} would be images of the next job, which reads {(*around, place)[0]}")
    if found := _twice(list(places), below):
        raise BadOutput(f"the heat maps of {found[0]} and {found[1]} would have the same names")


def _check_no_maps(images: Collection[Path]) -> None:
    """`images`: where the maps of each go, without what their names end with: class, method, kind and suffix."""
    folders = {image.parent for image in images if image.parent.is_dir()}
    there = {path.with_name(path.name.rsplit(".", 4)[0]): path for folder in folders for path in folder.glob("*.png")}
    for image in images:
        if found := there.get(image):
            raise BadOutput(f"{found} exists: name another folder of heat maps, or move it away")


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
