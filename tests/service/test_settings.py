"""Settings: what is refused, in which words, and which names are unknown."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr, ValidationError

from inference.settings import (
    InvalidSettings,
    RegistrySettings,
    read_for_command,
    read_settings,
    unknown_variables,
    variables_of,
)
from service.settings import OTHERS, Settings, misspelled
from tests.support.paths import ROOT
from tests.support.service_process import service_process
from tests.support.settings import changed

BAD = {
    "LUNAR_PORT": ("abc", "integer"),
    "LUNAR_MAX_PIXELS": ("0", "greater than 0"),
    "LUNAR_RUNTIME": ("fast", "'auto', 'openvino' or 'tensorflow'"),
    "LUNAR_WITHOUT_KEYS": ("maybe", "true or false"),
    "LUNAR_RATE_LIMIT": ("often", "rate limit"),
    "LUNAR_SECRET": ("s3cret", "32"),
    "LUNAR_REDIS": ("s3cret", "redis://"),
    "LUNAR_PREVALENCE": ("1,2,3", "seven positive numbers"),
    "LUNAR_TRUSTED_PROXIES": ("*", "IPv4 or IPv6"),
}


@pytest.mark.parametrize("kind", [Settings, RegistrySettings])
def test_a_misspelled_name_is_refused(kind: type[RegistrySettings]) -> None:
    with pytest.raises(ValidationError, match="model_alais"):
        kind(model_alais="champion")  # type: ignore[call-arg]


def test_variables_and_secrets_of_others_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LUNAR_DATA is a variable of training, and a container may have other secrets."""
    monkeypatch.setenv("LUNAR_MODEL_ALAIS", "x")
    monkeypatch.setenv("LUNAR_MODEL_ALIAS", "candidate")
    for name, content in {"lunar_secret": "x" * 32, "lunar_sercet": "y", "password": "z"}.items():
        (tmp_path / name).write_text(content)
    assert RegistrySettings().model_alias == "candidate"
    settings = Settings(_secrets_dir=tmp_path)
    assert settings.model_alias == "candidate"
    assert settings.secret and settings.secret.get_secret_value() == "x" * 32


def test_changed_settings_are_checked_and_keep_the_others(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, trusted_proxies=("10.0.0.0/8",), secret=SecretStr("x" * 32), max_waiting=3)
    assert changed(settings) == settings
    assert changed(settings, max_waiting=4).model_dump() == settings.model_dump() | {"max_waiting": 4}
    for wrong in ({"max_wating": 4}, {"max_waiting": -1}, {"rate_limit": "often"}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            changed(settings, **wrong)


def test_the_fixtures_refuse_a_misspelled_setting(open_client: Callable[..., TestClient], tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="max_wating"):
        open_client(max_wating=0)
    with pytest.raises(TypeError, match="max_wating"), service_process(tmp_path, max_wating="0"):
        pass


def test_a_rate_limit_of_no_request_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNAR_RATE_LIMIT", "0/minute")
    with pytest.raises(InvalidSettings, match=r"^LUNAR_RATE_LIMIT: at least one request"):
        read_settings(Settings)


@pytest.mark.parametrize(("name", "value", "words"), [(name, *case) for name, case in BAD.items()])
def test_a_bad_value_is_one_line_with_the_variables_name(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings) as found:
        read_settings(Settings)
    assert str(found.value).startswith(f"{name}: ")
    assert words in str(found.value)
    assert len(str(found.value).splitlines()) == 1
    assert "s3cret" not in str(found.value)


def test_an_address_of_redis_without_a_port_that_is_a_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNAR_REDIS", "redis://:s3cret@host:port/0")
    with pytest.raises(InvalidSettings, match=r"^LUNAR_REDIS: the port is no number\.$"):
        read_settings(Settings)


def test_every_bad_value_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (value, _) in BAD.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings) as found:
        read_settings(Settings)
    assert {line.partition(":")[0] for line in str(found.value).splitlines()} == BAD.keys()


def test_empty_means_unset_for_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    default = read_settings(Settings)
    for name in variables_of(Settings):
        monkeypatch.setenv(name, "")
    assert read_settings(Settings) == default


@pytest.mark.parametrize("page", [".env.example", "docs/configuration.md"])
def test_a_variable_that_is_documented_is_not_called_unknown(page: str) -> None:
    names = set(re.findall(r"\bLUNAR_[A-Z0-9_]+\b", (ROOT / page).read_text(encoding="utf-8")))
    assert len(names) > 10
    assert misspelled(names) == {}


def test_an_unknown_variable_is_named_with_the_nearest_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command line shares its environment with the service, so it names only what is close to its own settings."""
    assert misspelled([*variables_of(Settings), *OTHERS, "PATH"]) == {}
    assert misspelled(["LUNAR_PROT", "LUNAR_ZEBRA", "lunar_max_pixel"]) == {
        "LUNAR_PROT": "LUNAR_PORT", "LUNAR_ZEBRA": None, "LUNAR_MAX_PIXEL": "LUNAR_MAX_PIXELS",
    }  # fmt: skip
    of_service = unknown_variables([*variables_of(Settings), *OTHERS], variables_of(RegistrySettings))
    assert set(of_service.values()) == {None}
    monkeypatch.setenv("LUNAR_TRAKCING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("LUNAR_PORT", "8000")
    assert read_for_command(RegistrySettings).tracking_uri is None
    assert capsys.readouterr().err == (
        "LUNAR_TRAKCING_URI is no setting of Lunar; the nearest one is LUNAR_TRACKING_URI.\n"
    )


def test_a_command_line_ends_with_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.settings.read_settings", _refuse)
    with pytest.raises(SystemExit, match="LUNAR_HOME: no"):
        read_for_command(RegistrySettings)


def _refuse(_: object) -> None:
    raise InvalidSettings("LUNAR_HOME: no")
