"""One API key: client, role and salted hash; its line in the file of keys."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["user", "admin"]
_ID = re.compile(r"(?!page$)[A-Za-z0-9_-]{1,64}")  # the log calls a page session `page`
_CLIENT = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class InvalidKeys(ValueError):
    """The keys cannot be read. The message names the line and never contains a hash."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a client, without its secret: `hash` is SHA-256 of salt and secret."""

    id: str
    client: str
    role: Role
    salt: bytes
    hash: bytes

    @property
    def line(self) -> str:
        """The key's line in the file of keys."""
        return ":".join((self.id, self.client, self.role, self.salt.hex(), self.hash.hex()))

    def opens(self, secret: str) -> bool:
        """Whether this is the key's secret; compares in constant time."""
        return hmac.compare_digest(_hash(self.salt, secret), self.hash)


def _hash(salt: bytes, secret: str) -> bytes:
    # A slow hash protects passwords that can be guessed. A secret of 256 random bits cannot be guessed, and a slow
    # hash in every request would make denial of service easier.
    return hashlib.sha256(salt + secret.encode()).digest()


def new_key(client: str, role: Role) -> tuple[Key, str]:
    """A key and the value of X-API-Key, `id.secret`, which cannot be recovered later. Raises InvalidKeys."""
    if not _CLIENT.fullmatch(client):
        raise InvalidKeys("A client's name has 1 to 64 letters, digits, '.', '_', '-' or '@'.")
    id_, salt, secret = secrets.token_hex(4), secrets.token_bytes(16), secrets.token_urlsafe(32)
    return Key(id_, client, role, salt, _hash(salt, secret)), f"{id_}.{secret}"


def parse_keys(text: str) -> dict[str, Key]:
    """Parse keys that are separated by line ends or spaces; # starts a comment. Keys by id. Raises InvalidKeys."""
    keys: dict[str, Key] = {}
    text = text.removeprefix("\ufeff")  # the byte order mark that some editors write
    for number, line in enumerate(text.splitlines(), start=1):
        for entry in line.partition("#")[0].split():
            key = _parse_key(entry, number)
            if key.id in keys:
                raise InvalidKeys(f"line {number}: the id {key.id} occurs twice.")
            keys[key.id] = key
    if not keys:
        raise InvalidKeys("there is no key; expected are lines of id:client:role:salt:hash.")
    return keys


def _parse_key(entry: str, number: int) -> Key:
    try:
        id_, client, role, salt, hash_ = entry.split(":")
        key = Key(id_, client, role, bytes.fromhex(salt), bytes.fromhex(hash_))  # type: ignore[arg-type]
    except ValueError as error:
        raise InvalidKeys(f"line {number} is not id:client:role:salt:hash.") from error
    if not _ID.fullmatch(id_):
        raise InvalidKeys(f"line {number} has an invalid id; allowed are 1 to 64 letters, digits, '_' and '-'.")
    if role not in get_args(Role) or not _CLIENT.fullmatch(client) or len(key.salt) < 16 or len(key.hash) != 32:
        raise InvalidKeys(f"line {number} has an unknown role, an invalid client, or a salt or hash of wrong length.")
    return key
