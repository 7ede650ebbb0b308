"""A file from the network: resumed where it broke off, and trusted only after its size and checksum were compared."""

import hashlib
import http.client
import logging
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

log = logging.getLogger(__name__)

CHECKSUMS = ("md5", "sha1", "sha256", "sha512")
_CHUNK = 1 << 18
_LONGEST_ANSWER = 16 << 20  # bytes of a listing
# Harvard Dataverse answers 403 to the default names of urllib and requests (seen August 2026,
# IQSS/dataverse.harvard.edu issue 479); any name of one's own is let in.
_HEADERS = {"User-Agent": "lunar-training-fetch"}
_WORTH_A_RETRY = (408, 425, 429, 500, 502, 503, 504)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_Result = TypeVar("_Result")


class BrokenDownload(RuntimeError):
    """The server does not deliver what was listed; the message names the file, what was expected and what was found."""


class _Interrupted(Exception):
    """This attempt ended early; another one may go on from there."""


class _Restart(_Interrupted):
    """The part does not fit what the server has; another attempt starts without it."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to download: `size` in bytes, None where nobody tells; `digest` in hex, by the one of CHECKSUMS named."""

    name: str
    url: str
    size: int | None
    checksum: str
    digest: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How often one file is tried, the seconds before the second try (n times as long before the n+1st), and the
    seconds of silence after which a connection counts as broken off."""

    attempts: int = 6
    pause_s: float = 2.0
    timeout_s: float = 60.0


def read(name: str, url: str, *, patience: Patience) -> bytes:
    """The whole answer to a GET, at most 16 MiB. Raises BrokenDownload."""

    def attempt() -> bytes:
        with _open(name, url, start=0, timeout_s=patience.timeout_s) as response:
            answer = _receive(response, _LONGEST_ANSWER + 1)
            while block := _receive(response, _LONGEST_ANSWER + 1 - len(answer)):
                answer += block
        if len(answer) > _LONGEST_ANSWER:
            raise BrokenDownload(f"{name}: expected at most {_LONGEST_ANSWER} bytes, found more.")
        return answer

    return _persist(name, attempt, patience)


def download(remote: Remote, target: Path, *, patience: Patience) -> None:
    """Write the file to `target`, which appears only when size and checksum are right; until then it is `*.part`.

    A part of an earlier run is resumed; a file already at `target` is checked like a part. Raises BrokenDownload:
    after a connection that kept breaking off the part stays for the next run, after wrong contents it is removed.
    """
    part = part_of(target)
    if target.exists():
        target.replace(part)
    _persist(remote.name, lambda: _resume(remote, part, timeout_s=patience.timeout_s), patience)
    with part.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(remote.checksum, usedforsecurity=False)).hexdigest()
    if found != remote.digest.lower():
        part.unlink()
        raise BrokenDownload(f"{remote.name}: expected {remote.checksum} {remote.digest.lower()}, found {found}.")
    log.info("%s: %s bytes, %s as listed", remote.name, f"{part.stat().st_size:,}", remote.checksum)
    part.replace(target)


def part_of(target: Path) -> Path:
    """Where `target` grows until it is complete."""
    return target.with_name(f"{target.name}.part")


def _persist(name: str, attempt: Callable[[], _Result], patience: Patience) -> _Result:
    for number in range(1, patience.attempts):
        try:
            return attempt()
        except _Interrupted as error:
            log.info("%s: %s; trying again", name, error)
            time.sleep(patience.pause_s * number)
    try:
        return attempt()
    except _Interrupted as error:
        raise BrokenDownload(f"{name}: {error}, at attempt {patience.attempts}. Fetch again to go on.") from error


def _resume(remote: Remote, part: Path, *, timeout_s: float) -> None:
    part.touch()
    start = part.stat().st_size
    if start == remote.size:
        return
    if remote.size is not None and start > remote.size:
        start = 0
    try:
        with _open(remote.name, remote.url, start=start, timeout_s=timeout_s) as response:
            first, total = _extent(response, start)
            if first not in (0, start):
                raise _Restart(f"expected bytes from {start}, found bytes from {first}")
            if None not in (total, remote.size) and total != remote.size:
                part.unlink()
                raise BrokenDownload(f"{remote.name}: expected {remote.size} bytes, the server announces {total}.")
            _append(response, part, remote=remote, start=first, total=remote.size or total)
    except _Restart:
        part.unlink()
        raise


def _open(name: str, url: str, *, start: int, timeout_s: float) -> http.client.HTTPResponse:
    """The answer 200, or 206 if `start` is not 0. urllib keeps the Range when it is redirected (Dataverse sends one on
    to its object store) and asks for no compression."""
    request = Request(url, headers=_HEADERS | ({"Range": f"bytes={start}-"} if start else {}))  # noqa: S310
    try:
        response: http.client.HTTPResponse = urlopen(request, timeout=timeout_s)  # noqa: S310 - ours  # nosec B310
    except HTTPError as error:
        error.close()
        if error.code == 416:
            raise _Restart(f"the server has nothing after {start} bytes") from error
        if error.code in _WORTH_A_RETRY:
            raise _Interrupted(f"the server answers {error.code}") from error
        raise BrokenDownload(f"{name}: expected status 200, found {error.code} at {url}.") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"no answer ({error})") from error
    if response.status not in (200, 206 if start else 200):
        # 202 without a body is how a firewall asks for a browser.
        response.close()
        raise BrokenDownload(f"{name}: expected status 200, found {response.status} at {url}.")
    return response


def _extent(response: http.client.HTTPResponse, start: int) -> tuple[int, int | None]:
    """The first byte that comes and the length of the whole file, if the server tells."""
    if response.status == 200:
        length = response.headers.get("Content-Length")
        return 0, int(length) if length and length.isdecimal() else None
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not found:
        raise _Restart("expected a Content-Range, found none")
    return int(found[1]), None if found[2] == "*" else int(found[2])


def _append(response: http.client.HTTPResponse, part: Path, *, remote: Remote, start: int, total: int | None) -> None:
    bar = _Bar(remote.name, total)
    size = start
    with part.open("r+b") as file:
        file.truncate(start)
        file.seek(start)
        try:
            while (total is None or size <= total) and (block := _receive(response, _CHUNK)):
                file.write(block)
                size += len(block)
                bar.show(size)
        finally:
            bar.clear()
    if total is not None and size > total:
        part.unlink()
        raise BrokenDownload(f"{remote.name}: expected {total} bytes, found more.")
    if total is not None and size < total:
        raise _Interrupted(f"broke off {total - size} bytes before the end")


def _receive(response: http.client.HTTPResponse, amount: int) -> bytes:
    try:
        block = response.read(amount)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"broke off ({error!r})") from error
    # http.client (3.11) ends quietly where the announced bytes are not all there.
    if amount and not block and response.length:
        raise _Interrupted(f"broke off {response.length} bytes before the end")
    return block


class _Bar:
    """One line on stderr that is drawn over itself; nothing where stderr is not a terminal."""

    def __init__(self, name: str, total: int | None) -> None:
        self._name, self._total, self._shown = name, total, 0.0

    def show(self, size: int) -> None:
        now = time.monotonic()
        if not sys.stderr.isatty() or now - self._shown < 0.1:
            return
        self._shown = now
        filled = 30 * size // self._total if self._total else 0
        of = f" of {self._total / 1e6:,.0f}" if self._total else ""
        print(f"\r{self._name} [{'#' * filled:30}] {size / 1e6:,.0f}{of} MB", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
