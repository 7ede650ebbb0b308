"""Homes (LUNAR_HOME) of the tests."""

import os
import shutil
from pathlib import Path


def copy_home(home: Path, folder: Path) -> Path:
    """A home with a database, a cache and a log of its own; the files of the registry's artifacts are shared."""
    shutil.copytree(home, folder, ignore=shutil.ignore_patterns("artifacts", "*.log"))
    if (home / "artifacts").is_dir():
        shutil.copytree(home / "artifacts", folder / "artifacts", copy_function=os.link)
    return folder
