"""Reads the configuration of a run from a TOML file, with changes from the command line."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from training.config import Config, InvalidConfig
from training.text_files import UnreadableText, read_text


def load(path: Path, *, changes: Iterable[str] = ()) -> Config:
    """Read a configuration from a TOML file.

    `changes`: texts such as "optimiser.batch=8", each of which replaces or adds one value, written as in TOML; quotes
    around a text may be left out. The name of the configuration then ends in the changes. Raises InvalidConfig,
    OSError.
    """
    try:
        content = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, UnreadableText) as error:
        raise InvalidConfig(f"{path}: {error}") from error
    changes = tuple(changes)
    for change in changes:
        _apply(change, content)
    if not any(change.startswith("name=") for change in changes):
        content["name"] = "-".join([str(content.get("name", "")), *(_shown(change) for change in changes)])
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg']}" for e in error.errors()]
        raise InvalidConfig(f"{path}: " + "; ".join(reasons)) from error


def _apply(change: str, content: dict[str, Any]) -> None:
    """Put one change into the content of the file. Raises InvalidConfig."""
    key, equals, value = change.partition("=")
    *tables, last = key.strip().split(".")
    if not (equals and last):
        raise InvalidConfig(f"{change!r} is not a change of the form KEY=VALUE, such as optimiser.batch=8.")
    table = content
    for name in tables:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise InvalidConfig(f"{key}: {name} is a value, not a table of the configuration.")
    table[last] = _parse(value.strip())


def _parse(value: str) -> Any:
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _shown(change: str) -> str:
    """A change as a part of a run's name, in the characters that a name may have."""
    return re.sub(r"[^a-z0-9._]+", "-", change.lower()).strip("-._")
