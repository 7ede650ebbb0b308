"""The API keys of the service, from the environment and from a file that is read again when it changes."""

import logging
from collections.abc import Mapping
from pathlib import Path

from service.security.api_key import InvalidKeys, Key, parse_keys
from service.settings import Settings

_NOBODY = Key("-", "-", "user", bytes(16), bytes(32))

log = logging.getLogger(__name__)


class KeyStore:
    """The keys of the settings. `required` is false if there are none; then every request is allowed."""

    def __init__(self, settings: Settings) -> None:
        """Raises InvalidKeys."""
        self._file = settings.keys_file
        self._fixed = parse_keys(settings.keys.get_secret_value()) if settings.keys else {}
        self._seen = _state_of(self._file)
        self._complaint: str | None = None  # the last one in the log
        self._keys: Mapping[str, Key] = self._read()
        self.required = bool(self._keys)

    def find(self, sent: str) -> Key | None:
        """The key with the id and the secret of `sent` (id.secret), or None."""
        self._refresh()
        id_, _, secret = sent.partition(".")
        key = self._keys.get(id_)
        if key is None:
            _NOBODY.opens(secret)  # takes the same time as a known id
            return None
        return key if key.opens(secret) else None

    def _refresh(self) -> None:
        """Read a changed file; if it cannot be read, keep the keys, so that a mistake locks no client out.

        It is tried again at every request until it can be read, so that a key that was removed does not stay valid.
        """
        state = _state_of(self._file)
        if state == self._seen:
            return
        try:
            self._keys = self._read()
        except InvalidKeys as error:
            if str(error) != self._complaint:
                log.error("the changed keys cannot be read; the previous keys stay valid", extra={"reason": str(error)})
            self._complaint = str(error)
        else:
            self._seen, self._complaint = state, None
            log.info("the keys have been read again", extra={"keys": sorted(self._keys)})

    def _read(self) -> dict[str, Key]:
        if self._file is None:
            return self._fixed
        try:
            read = parse_keys(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InvalidKeys(f"LUNAR_KEYS_FILE: {reason}") from error
        if duplicates := read.keys() & self._fixed.keys():
            raise InvalidKeys(f"LUNAR_KEYS_FILE and LUNAR_KEYS both have the id {min(duplicates)}.")
        return read | self._fixed


def _state_of(file: Path | None) -> tuple[int, ...] | None:
    """What changes with the file's content, its place or its mode: a coarse clock alone may hide a change."""
    try:
        stat = file.stat() if file else None
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino) if stat else None
