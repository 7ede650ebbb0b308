"""The place of the earlier bundle while `replacement` exchanges it for the new one."""

import os
from pathlib import Path


def aside_of(folder: Path) -> Path:
    """A path beside the folder itself, behind any symbolic link, and hence on the same file system."""
    target = Path(os.path.realpath(folder))
    return target.parent / f".{target.name}.replacement" / "old"


def describe_aside(folder: Path) -> str:
    """A sentence for the end of an error message if a killed process left the earlier bundle there; otherwise empty."""
    old = aside_of(folder)
    return f" Its earlier bundle is in {old}: its replacement was interrupted." if old.is_dir() else ""
