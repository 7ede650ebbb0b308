"""The file of answers, one line an image, from which a job that was killed goes on."""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from lunar.scoring.answers import ERROR, FILE, FOLDER, MODEL, OPTIONS, START, Answer
from lunar.scoring.images import identity
from lunar.scoring.replacing import replaced


class NotResumable(ValueError):
    """The file is not of this job; the message says what to do."""


def answered(path: Path, *, model: Answer, options: Answer) -> frozenset[str]:
    """The images, as images.identity names them, that have a result in the file; none without a file.

    Lines without a result and a last line that was cut off are removed, so that they are asked again. Raises
    NotResumable for results of another model or with other options, and for a file that is not of `lunar predict`.
    """
    if not path.exists():
        return frozenset()
    with path.open("r+b") as file:
        lock(file, path)
        return _results(path, model=model, options=options)


def lock(file: IO[str] | IO[bytes], path: Path) -> None:
    """Keep other jobs from writing until the file is closed. Raises NotResumable if one of them is writing."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise NotResumable(f"another job is writing {path}; wait for its end, or name another file") from error


def answers(path: Path, names: Sequence[str]) -> Iterator[Answer]:
    """The answers for these images, in their order. The file has a whole line for each."""
    starts: dict[str, int] = {}
    start = 0
    for line in _lines(path):
        starts[_image(json.loads(line))] = start
        start += len(line)
    with path.open("rb") as file:
        for name in names:
            file.seek(starts[identity(name)])
            yield json.loads(file.readline())


def _results(path: Path, *, model: Answer, options: Answer) -> frozenset[str]:
    found: set[str] = set()
    stale = False
    for number, line in enumerate(_lines(path), start=1):
        answer = _parse(line)
        place = f"{path}, line {number},"
        if answer is None and not (_is_cut_off(line) or (number > 1 and not line.endswith(b"\n"))):
            raise NotResumable(f"{place} is no answer of lunar predict; name another file, or move this one away")
        if answer is None or ERROR in answer:
            stale = True
            continue
        if answer.get(MODEL) != model:
            raise NotResumable(f"{place} is of another model; move the file away to begin again")
        if answer.get(OPTIONS) != options:
            words = f"has other options: {json.dumps(answer.get(OPTIONS))}"
            raise NotResumable(f"{place} {words}; repeat the same command, or move the file away to begin again")
        found.add(_image(answer))
    if stale:
        _keep_results(path)
    return frozenset(found)


def _image(answer: Answer) -> str:
    """The image of an answer, as images.identity names it, whatever the working folder is now."""
    return identity(os.path.join(answer.get(FOLDER, ""), answer[FILE]))  # noqa: PTH118 - any text is a name here


def _keep_results(path: Path) -> None:
    with replaced(path) as staging, staging.open("wb") as file:
        for line in _lines(path):
            if (answer := _parse(line)) and ERROR not in answer:
                file.write(line)


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _is_cut_off(line: bytes) -> bool:
    """Whether it is the begin of an answer."""
    return not line.endswith(b"\n") and (line.startswith(START) or START.startswith(line))


def _parse(line: bytes) -> Answer | None:
    """None if it is no whole answer."""
    if not line.endswith(b"\n"):
        return None
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and isinstance(answer.get(FILE), str) else None
