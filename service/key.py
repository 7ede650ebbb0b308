"""One API key: of whom, for what, and the salted hash that recognises it; how a file writes it."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["user", "admin"]
_CLIENT = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class InvalidKeys(ValueError):
    """The keys cannot be read; the message names the line and never a hash."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a client, without what the client knows: `hash` is SHA-256 of salt and secret."""

    id: str
    client: str
    role: Role
    salt: bytes
    hash: bytes

    @property
    def line(self) -> str:
        """As the file holds it."""
        return ":".join((self.id, self.client, self.role, self.salt.hex(), self.hash.hex()))

    def opens(self, secret: str) -> bool:
        """Whether this is the key's secret; takes the same time whatever is wrong with it."""
        return hmac.compare_digest(_hash(self.salt, secret), self.hash)


def _hash(salt: bytes, secret: str) -> bytes:
    # No slow hash: those make up for passwords that can be guessed. A secret of 256 random bits cannot, and a slow
    # hash in every request would be a gift to whoever wants to keep the service busy.
    return hashlib.sha256(salt + secret.encode()).digest()


def new_key(client: str, role: Role) -> tuple[Key, str]:
    """A key and what to send as X-API-Key, `id.secret`, which nobody can find out afterwards. Raises InvalidKeys."""
    if not _CLIENT.fullmatch(client):
        raise InvalidKeys("A client's name has 1 to 64 letters, digits, '.', '_', '-' or '@'.")
    id_, salt, secret = secrets.token_hex(4), secrets.token_bytes(16), secrets.token_urlsafe(32)
    return Key(id_, client, role, salt, _hash(salt, secret)), f"{id_}.{secret}"


def parse_keys(text: str) -> dict[str, Key]:
    """Keys by id, separated by line ends or spaces; # begins a comment. Raises InvalidKeys."""
    keys: dict[str, Key] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        for entry in line.partition("#")[0].split():
            key = _parse_key(entry, number)
            if key.id in keys:
                raise InvalidKeys(f"line {number}: the id {key.id} is there twice.")
            keys[key.id] = key
    if not keys:
        raise InvalidKeys("there is no key.")
    return keys


def _parse_key(entry: str, number: int) -> Key:
    try:
        id_, client, role, salt, hash_ = entry.split(":")
        key = Key(id_, client, role, bytes.fromhex(salt), bytes.fromhex(hash_))  # type: ignore[arg-type]
    except ValueError as error:
        raise InvalidKeys(f"line {number} is not id:client:role:salt:hash.") from error
    if role not in get_args(Role) or not _CLIENT.fullmatch(client) or len(key.salt) < 16 or len(key.hash) != 32:
        raise InvalidKeys(f"line {number} has no known role, no proper name, or a salt or hash of the wrong length.")
    return key
