"""Downloads a file over HTTP: resumes it after an interruption, and verifies its size and checksum."""

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
_LISTING_LIMIT = 16 << 20  # bytes
# Harvard Dataverse answers 403 to the default names of urllib and requests (seen August 2026,
# IQSS/dataverse.harvard.edu issue 479); it accepts any other name.
_HEADERS = {"User-Agent": "lunar-training-fetch"}
_TRANSIENT_STATUSES = (408, 425, 429, 500, 502, 503, 504)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_Result = TypeVar("_Result")


class BrokenDownload(RuntimeError):
    """The server does not deliver the listed file; the message names the file, the expected and the received value."""


class _Interrupted(Exception):
    """This attempt ended early; another attempt may resume from there."""


class _Restart(_Interrupted):
    """The bytes on disk do not belong to the file on the server; another attempt starts from the first byte."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to download: `size` in bytes (None if unknown), `checksum` one of CHECKSUMS, `digest` its value in hex."""

    name: str
    url: str
    size: int | None
    checksum: str
    digest: str


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to give up a download.

    `attempts`: attempts for one file. `pause_s`: seconds before the second attempt, n times as many before attempt
    n + 1. `timeout_s`: seconds without data after which a connection is closed.
    """

    attempts: int = 6
    pause_s: float = 2.0
    timeout_s: float = 60.0


def read(name: str, url: str, *, retries: RetryPolicy) -> bytes:
    """The whole body of the response to a GET request, at most 16 MiB. Raises BrokenDownload."""

    def attempt() -> bytes:
        with _open(name, url, start=0, timeout_s=retries.timeout_s) as response:
            body = _receive(response, _LISTING_LIMIT + 1)
            while block := _receive(response, _LISTING_LIMIT + 1 - len(body)):
                body += block
        if len(body) > _LISTING_LIMIT:
            raise BrokenDownload(f"{name}: expected at most {_LISTING_LIMIT} bytes, found more.")
        return body

    return _retry(name, attempt, retries)


def download(remote: Remote, target: Path, *, retries: RetryPolicy) -> None:
    """Download the file to `target`, which appears only with the right size and checksum; until then it is `*.part`.

    The `*.part` of an earlier run is resumed, and an existing `target` is treated as one. Raises BrokenDownload: after
    repeated interruptions the `*.part` stays for the next run, after wrong contents it is deleted.
    """
    part = part_of(target)
    if target.exists():
        target.replace(part)
    _retry(remote.name, lambda: _resume(remote, part, timeout_s=retries.timeout_s), retries)
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(remote.checksum, usedforsecurity=False)).hexdigest()
    if digest != remote.digest.lower():
        part.unlink()
        raise BrokenDownload(f"{remote.name}: expected {remote.checksum} {remote.digest.lower()}, found {digest}.")
    log.info("%s: %s bytes, %s as listed", remote.name, f"{part.stat().st_size:,}", remote.checksum)
    part.replace(target)


def part_of(target: Path) -> Path:
    """The path under which `target` is written until it is complete."""
    return target.with_name(f"{target.name}.part")


def _retry(name: str, attempt: Callable[[], _Result], retries: RetryPolicy) -> _Result:
    for number in range(1, retries.attempts):
        try:
            return attempt()
        except _Interrupted as error:
            log.info("%s: %s; trying again", name, error)
            time.sleep(retries.pause_s * number)
    try:
        return attempt()
    except _Interrupted as error:
        raise BrokenDownload(
            f"{name}: {error}, at attempt {retries.attempts}. Run the command again to resume."
        ) from error


def _resume(remote: Remote, part: Path, *, timeout_s: float) -> None:
    """One attempt to complete `part`. Raises BrokenDownload, _Interrupted."""
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
    """The response with status 200, or 206 if `start` is not 0. Raises BrokenDownload, _Interrupted, _Restart.

    urllib keeps the Range header when Dataverse redirects to its object store, and does not ask for compression.
    """
    request = Request(url, headers=_HEADERS | ({"Range": f"bytes={start}-"} if start else {}))  # noqa: S310
    try:
        response: http.client.HTTPResponse = urlopen(request, timeout=timeout_s)  # noqa: S310 - ours  # nosec B310
    except HTTPError as error:
        error.close()
        if error.code == 416:
            raise _Restart(f"the server has nothing after {start} bytes") from error
        if error.code in _TRANSIENT_STATUSES:
            raise _Interrupted(f"the server answers {error.code}") from error
        raise BrokenDownload(f"{name}: expected status 200, found {error.code} at {url}.") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"no answer ({error})") from error
    if response.status not in (200, 206 if start else 200):
        # A firewall that demands a browser answers 202 without a body.
        response.close()
        raise BrokenDownload(f"{name}: expected status 200, found {response.status} at {url}.")
    return response


def _extent(response: http.client.HTTPResponse, start: int) -> tuple[int, int | None]:
    """The position of the first byte in the response, and the length of the whole file (None if not stated)."""
    if response.status == 200:
        length = response.headers.get("Content-Length")
        return 0, int(length) if length and length.isdecimal() else None
    range_ = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not range_:
        raise _Restart("expected a Content-Range, found none")
    return int(range_[1]), None if range_[2] == "*" else int(range_[2])


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
    # http.client (Python 3.11) raises nothing when fewer bytes arrive than were announced.
    if amount and not block and response.length:
        raise _Interrupted(f"broke off {response.length} bytes before the end")
    return block


class _Bar:
    """A progress bar on one line of stderr; nothing if stderr is not a terminal."""

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
