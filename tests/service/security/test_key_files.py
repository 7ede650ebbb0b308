"""Keys as files hold them: the format, files that change unnoticeably, and keys that stand in two places."""

import errno
import hashlib
import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.security.api_key import InvalidKeys, new_key, parse_keys
from service.security.key_store import KeyStore
from service.settings import Settings

SALT, SECRET = bytes(range(16)), "a secret"
DIGEST = hashlib.sha256(SALT + SECRET.encode()).digest()  # as docs/security.md describes it


def line(digest: bytes) -> str:
    return f"0011aabb:a:user:{SALT.hex()}:{digest.hex()}"


def opens(text: str, sent: str) -> bool:
    return KeyStore(Settings(keys=SecretStr(text))).find(sent) is not None


def test_a_key_is_kept_as_the_hash_of_salt_and_secret() -> None:
    """Written here by hand: files that exist must stay good."""
    assert opens(line(DIGEST), f"0011aabb.{SECRET}")
    assert not opens(line(hashlib.sha256(SECRET.encode()).digest()), f"0011aabb.{SECRET}")


@pytest.mark.parametrize("place", [0, 15, 31])
def test_every_byte_of_the_hash_counts(place: int) -> None:
    other = bytearray(DIGEST)
    other[place] ^= 1
    assert not opens(line(bytes(other)), f"0011aabb.{SECRET}")


@pytest.mark.parametrize(("size", "allowed"), [(15, False), (16, True), (17, True)])
def test_a_salt_has_128_bits_or_more(size: int, allowed: bool) -> None:
    text = f"0011aabb:a:user:{bytes(size).hex()}:{DIGEST.hex()}"
    if allowed:
        assert len(parse_keys(text)["0011aabb"].salt) == size
        return
    with pytest.raises(InvalidKeys, match="salt"):
        parse_keys(text)


def test_a_line_that_is_wrong_is_named_as_an_editor_counts() -> None:
    with pytest.raises(InvalidKeys, match="line 3 "):
        parse_keys(f"# comment\n{line(DIGEST)}\nrubbish\n")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.txt"


def write(file: Path, text: str) -> None:
    """With a time of last change that is always the same, as if the file system's clock stood still."""
    file.write_text(text)
    os.utime(file, (1_000_000_000, 1_000_000_000))


@pytest.mark.parametrize("way", ["appended", "exchanged"])
def test_a_change_within_one_tick_of_the_clock_is_noticed(file: Path, way: str) -> None:
    (old, sent_old), (new, sent_new) = (new_key("client", "user") for _ in range(2))
    write(file, f"{old.line}\n")
    keys = KeyStore(Settings(keys_file=file))
    assert keys.find(sent_old) == old
    if way == "appended":
        write(file, f"{old.line}\n{new.line}\n")
    else:
        beside = file.with_suffix(".new")
        write(beside, f"{new.line}\n")  # as long as the old one
        beside.replace(file)
    assert keys.find(sent_new) == new


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", "ñ".encode("latin-1"), b""])
def test_a_file_that_is_no_text_changes_nothing(file: Path, content: bytes) -> None:
    key, sent = new_key("client", "user")
    write(file, key.line)
    keys = KeyStore(Settings(keys_file=file))
    file.write_bytes(content)
    assert keys.find(sent) == key


def test_a_file_that_is_no_text_keeps_the_service_from_starting(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidKeys, match="LUNAR_KEYS_FILE"):
        KeyStore(Settings(keys_file=file))


def test_keys_of_the_file_and_of_the_environment_open_both(file: Path) -> None:
    (one, sent_one), (other, sent_other), (later, sent_later) = (new_key("client", "user") for _ in range(3))
    write(file, one.line)
    keys = KeyStore(Settings(keys_file=file, keys=SecretStr(other.line)))
    assert (keys.find(sent_one), keys.find(sent_other)) == (one, other)
    write(file, f"{one.line}\n{later.line}")
    assert [keys.find(sent) for sent in (sent_one, sent_other, sent_later)] == [one, other, later]


def test_an_id_in_both_places_is_refused(file: Path) -> None:
    """Which of the two is meant cannot be known."""
    write(file, line(DIGEST))
    with pytest.raises(InvalidKeys, match="both have the id 0011aabb"):
        KeyStore(Settings(keys_file=file, keys=SecretStr(line(bytes(32)))))


def test_a_removed_key_is_not_valid_once_the_file_can_be_read(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The file changes while it cannot be read, for instance because of its mode. The log reports that once."""
    (old, sent_old), (new, sent_new) = (new_key("client", "user") for _ in range(2))
    write(file, old.line)
    keys = KeyStore(Settings(keys_file=file))
    write(file, new.line)
    with monkeypatch.context() as unreadable:
        unreadable.setattr(Path, "read_text", _forbidden)
        assert [keys.find(sent_old) for _ in range(3)] == [old] * 3
    assert len(caplog.messages) == 1
    assert (keys.find(sent_old), keys.find(sent_new)) == (None, new)


def _forbidden(*_: object, **__: object) -> str:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_change_of_the_mode_alone_is_noticed(file: Path) -> None:
    """With the same time, size and inode; root reads whatever the mode is, so the content changes too."""
    (old, sent_old), (new, sent_new) = (new_key("client", "user") for _ in range(2))
    write(file, old.line)
    keys = KeyStore(Settings(keys_file=file))
    write(file, new.line)
    file.chmod(0o640)
    assert (keys.find(sent_old), keys.find(sent_new)) == (None, new)


def test_a_byte_order_mark_hides_no_key(file: Path) -> None:
    key, sent = new_key("client", "user")
    file.write_text(key.line, encoding="utf-8-sig")
    assert KeyStore(Settings(keys_file=file)).find(sent) == key


@pytest.mark.parametrize("id_", ["", "page", "a.b", "\u200b0011aabb", "x" * 65, "a/b"])
def test_an_invalid_id_is_refused(id_: str) -> None:
    with pytest.raises(InvalidKeys, match="line 1 "):
        parse_keys(f"{id_}:a:user:{SALT.hex()}:{DIGEST.hex()}")
