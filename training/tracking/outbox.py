"""What a run has still to send to MLflow, kept on disk: a tracking server that is away loses nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

Kind = Literal["start", "parameters", "metrics", "file", "datasets", "end"]
Message = tuple[Kind, Any]


class Outbox:
    """A queue of messages as JSON lines in a file.

    The file is written anew only when sending ends. If a process is killed while it sends, all messages that waited may
    be sent twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, kind: Kind, content: Any) -> None:
        """Append a message; `content` consists of JSON values."""
        with self._path.open("a+b") as file:
            line = json.dumps([kind, content]) + "\n"
            file.write(line.encode() if _ends_whole(file) else b"\n" + line.encode())

    def __len__(self) -> int:
        return len(self._read())

    @contextmanager
    def pending(self) -> Iterator[Iterator[Message]]:
        """The messages in their order. A message is removed when the next one is asked for, or the end is reached.

        If sending a message raises, it and the messages behind it are kept.
        """
        messages = self._read()
        done = 0

        def read() -> Iterator[Message]:
            nonlocal done
            for message in messages:
                yield message
                done += 1

        try:
            yield read()
        finally:
            if done:
                self._write(messages[done:])

    def _read(self) -> list[Message]:
        if not self._path.is_file():
            return []
        lines = self._path.read_text(encoding="utf-8").splitlines()
        return [(kind, content) for kind, content in map(_parse, lines) if kind]

    def _write(self, messages: list[Message]) -> None:
        staging = self._path.with_name(f".{self._path.name}")
        staging.write_text("".join(json.dumps(message) + "\n" for message in messages), encoding="utf-8")
        staging.replace(self._path)


def _ends_whole(file: BinaryIO) -> bool:
    """Whether the last line is finished: a killed process or a full disk leaves a part of one."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    return file.read() in (b"", b"\n")


def _parse(line: str) -> tuple[Any, Any]:
    """(kind, content); (None, None) for a line that a killed process has left unfinished."""
    try:
        kind, content = json.loads(line)
    except ValueError:
        return None, None
    return kind, content
