"""Keys at rest: how they are made, written and recognised."""

import subprocess
import sys

import pytest
from pydantic import SecretStr

from service.security.api_key import InvalidKeys, new_key, parse_keys
from service.security.key_store import KeyStore
from service.settings import Settings
from tests.support.paths import ROOT


def test_the_command_makes_a_key_that_is_recognised() -> None:
    command = [sys.executable, "-m", "service.keys", "new", "clinic-a", "--admin"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    sent = done.stderr.splitlines()[-1]
    keys = KeyStore(Settings(keys=SecretStr(done.stdout)))
    key = keys.find(sent)
    assert key is not None
    assert (key.client, key.role) == ("clinic-a", "admin")
    assert len(sent.partition(".")[2]) == 43, "256 bits"
    assert sent.partition(".")[2] not in done.stdout, "the file's line does not hold the secret"


def test_keys_have_salts_of_their_own() -> None:
    (one, _), (other, _) = new_key("a", "user"), new_key("a", "user")
    assert len({one.id, other.id}) == len({one.salt, other.salt}) == len({one.hash, other.hash}) == 2


def test_several_keys_of_several_clients_in_one_text() -> None:
    made = [new_key(client, "user") for client in ("a", "a", "b")]
    text = f"# those of a\n{made[0][0].line} {made[1][0].line}  # old and new\n\n{made[2][0].line}\n"
    assert [key.client for key in parse_keys(text).values()] == ["a", "a", "b"]
    keys = KeyStore(Settings(keys=SecretStr(text)))
    assert [keys.find(sent) for _, sent in made] == [key for key, _ in made]


LINE = f"0011aabb:a:user:{'0c' * 16}:{'5e' * 32}"
PARTS = LINE.split(":")


@pytest.mark.parametrize("text", [
    "", "# only a comment", "x", LINE[:-1], LINE[:-2], f"{LINE}00", f"{LINE} {LINE}", LINE.replace("user", "root"),
    ":".join([*PARTS[:3], "", PARTS[4]]), ":".join([*PARTS[:3], "00", PARTS[4]]),
    ":".join([PARTS[0], "a/b", *PARTS[2:]]),
])  # fmt: skip
def test_what_is_no_list_of_keys_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(InvalidKeys) as refused:
        parse_keys(text)
    assert PARTS[4][:8] not in str(refused.value)


def test_a_name_that_could_not_be_read_back_is_refused() -> None:
    for name in ("", "a:b", "a b", "a#b", "x" * 65, "ñ"):
        with pytest.raises(InvalidKeys, match="name"):
            new_key(name, "user")
