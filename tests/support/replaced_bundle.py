"""A bundle that replaces another one, and what is there afterwards."""

from pathlib import Path

from inference.bundle.storage import open_bundle
from tests.support.fakes import write_fake_bundle


def second(staging: Path) -> None:
    write_fake_bundle(staging, seed=2)


def digest(folder: Path) -> str:
    return open_bundle(folder).manifest.digest


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
