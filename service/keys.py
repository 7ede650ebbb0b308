"""The API keys of the service: from a file, which is read again whenever it changes, and from the environment."""

import argparse
import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from service.key import InvalidKeys, Key, new_key, parse_keys
from service.settings import Settings

_NOBODY = Key("-", "-", "user", bytes(16), bytes(32))

log = logging.getLogger(__name__)


class Keys:
    """The keys of the settings. `required` is false if there are none: then everybody may do everything."""

    def __init__(self, settings: Settings) -> None:
        """Raises InvalidKeys."""
        self._file = settings.keys_file
        self._fixed = parse_keys(settings.keys.get_secret_value()) if settings.keys else {}
        self._seen = _state_of(self._file)
        self._keys: Mapping[str, Key] = self._read()
        self.required = bool(self._keys)

    def find(self, given: str) -> Key | None:
        """The key that `given` (id.secret) opens."""
        self._refresh()
        id_, _, secret = given.partition(".")
        key = self._keys.get(id_)
        if key is None:
            _NOBODY.opens(secret)  # as long as with a known id
            return None
        return key if key.opens(secret) else None

    def _refresh(self) -> None:
        """Take over a changed file; one that cannot be read changes nothing, so that a slip locks nobody out."""
        state = _state_of(self._file)
        if state == self._seen:
            return
        self._seen = state
        try:
            self._keys = self._read()
        except InvalidKeys as error:
            log.error("the keys stay as they were", extra={"reason": str(error)})
        else:
            log.info("the keys were read again", extra={"keys": sorted(self._keys)})

    def _read(self) -> dict[str, Key]:
        if self._file is None:
            return self._fixed
        try:
            read = parse_keys(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InvalidKeys(f"LUNAR_KEYS_FILE: {reason}") from error
        if twice := read.keys() & self._fixed.keys():
            raise InvalidKeys(f"LUNAR_KEYS_FILE and LUNAR_KEYS both have the id {min(twice)}.")
        return read | self._fixed


def _state_of(file: Path | None) -> tuple[int, ...] | None:
    """What changes when a file does; the clock of a file system may be coarse, so its size and inode too."""
    try:
        stat = file.stat() if file else None
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat else None


def main() -> None:
    """`new CLIENT [--admin]`: the line for the file on stdout, the key on stderr."""
    parser = argparse.ArgumentParser(prog="python -m service.keys", description="Make an API key.")
    new = parser.add_subparsers(required=True).add_parser("new", help="print a key, once, and the line for the file")
    new.add_argument("client", help="who gets the key")
    new.add_argument("--admin", action="store_true", help="the key also opens /admin")
    arguments = parser.parse_args()
    try:
        key, sent = new_key(arguments.client, "admin" if arguments.admin else "user")
    except InvalidKeys as error:
        parser.error(str(error))
    print(f"The key, shown only now; send it as X-API-Key:\n{sent}", file=sys.stderr)
    print(key.line)


if __name__ == "__main__":
    main()
