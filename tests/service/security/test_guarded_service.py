"""Keys, hosts and forwarded headers at a real process on every address of the machine."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from service.security.api_key import new_key
from service.settings import Settings
from tests.support import http
from tests.support.guarded_service import Guarded, guarded_service
from tests.support.lesion_images import lesion
from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S

GOOD = lesion()
CLOSED = [
    ("POST", "/predict"), ("POST", "/explain"), ("POST", "/invocations"), ("GET", "/model"), ("GET", "/metrics"),
    ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/nowhere"), ("GET", "//model"), ("GET", "/MODEL"),
]  # fmt: skip
OPEN = ["/health/live", "/health/ready", "/health/startup", "/ping", "/", "/static/page.js", "/examples/drawn-1.jpg"]
WRONG: list[Callable[[str], str]] = [
    lambda key: key[:-1], lambda key: key + "x", lambda key: "00000000" + key[8:], lambda _: "", lambda _: "x",
    lambda key: key.partition(".")[2], lambda _: "\xff.x",
]  # fmt: skip


def ask(guarded: Guarded, method: str, path: str, **options: object) -> httpx2.Response:
    return http.request(method, f"{guarded.address}{path}", **options)


def slug(response: httpx2.Response) -> str:
    assert response.headers["content-type"] == "application/problem+json", response.text
    assert response.json()["request_id"] == response.headers["X-Request-ID"]
    return str(response.json()["type"]).rpartition(":")[2]


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_without_a_key_nothing_is_answered(guarded: Guarded, method: str, path: str) -> None:
    response = ask(guarded, method, path)
    assert (response.status_code, slug(response)) == (401, "missing-key")
    assert "X-API-Key" in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_to_everybody(guarded: Guarded, path: str) -> None:
    assert ask(guarded, "GET", path).status_code == 200


def test_a_key_opens_the_api(guarded: Guarded) -> None:
    for path in ("/predict", "/explain"):
        assert ask(guarded, "POST", path, content=GOOD, headers=guarded.user).json()["model"]["version"] == "1"
    for path in ("/model", "/metrics", "/docs", "/openapi.json"):
        assert ask(guarded, "GET", path, headers=guarded.user).status_code == 200


@pytest.mark.parametrize("change", WRONG)
def test_a_wrong_key_opens_nothing(guarded: Guarded, change: Callable[[str], str]) -> None:
    wrong = change(guarded.user["X-API-Key"]).encode("latin-1")
    response = ask(guarded, "POST", "/predict", content=GOOD, headers={b"X-API-Key": wrong})
    assert (response.status_code, slug(response)) == (401, "unknown-key")


def test_admin_needs_an_admins_key(guarded: Guarded) -> None:
    assert slug(ask(guarded, "POST", "/admin/reload")) == "missing-key"
    refused = ask(guarded, "POST", "/admin/reload", headers=guarded.user)
    assert (refused.status_code, slug(refused)) == (403, "forbidden")
    assert ask(guarded, "POST", "/admin/reload", headers=guarded.admin).json()["outcome"] == "unchanged"


def test_keys_change_without_a_restart_and_a_slip_changes_nothing(guarded: Guarded) -> None:
    key, sent = new_key("test-user", "user")
    before = guarded.keys_file.read_text()

    def statuses() -> list[int]:
        return [ask(guarded, "GET", "/model", headers=each).status_code for each in (guarded.user, {"X-API-Key": sent})]

    try:
        assert statuses() == [200, 401]
        guarded.keys_file.write_text(f"# two keys of one client\n{before}{key.line}\n")
        assert statuses() == [200, 200]
        guarded.keys_file.write_text(key.line)
        assert statuses() == [401, 200]
        for slip in ("", key.line[:-9], f"{key.line}\n{key.line}", "\x00"):
            guarded.keys_file.write_text(slip)
            assert statuses() == [401, 200]
        guarded.keys_file.unlink()
        assert statuses() == [401, 200]
    finally:
        guarded.keys_file.write_text(before)
    assert statuses() == [200, 401]
    log = guarded.log.read_text()
    assert log.count("the changed keys cannot be read; the previous keys stay valid") == 5
    assert sent.partition(".")[2] not in log


@pytest.mark.parametrize(("settings", "words"), [
    ({"keys": ""}, "there are no API keys"), ({"keys_file": "/nowhere"}, "No such file"),
    ({"secret": "short-secret"}, "at least 32"), ({"without_keys": "true", "audit_file": "/nowhere/log"}, "AUDIT_FILE"),
])  # fmt: skip
def test_it_refuses_to_start(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    environment = {"LUNAR_HOME": str(tmp_path), "LUNAR_HOST": "0.0.0.0", "LUNAR_PORT": "0"}
    environment |= {f"LUNAR_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "service"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 1
    assert words in done.stderr
    assert "short-secret" not in done.stderr


@pytest.fixture(scope="module")
def limited(starter_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Two requests an hour; forwarded headers are believed of 127.0.0.2, and one more name is ours."""
    settings = {"rate_limit": "2/hour", "trusted_proxies": "127.0.0.2, 10.0.0.0/8", "allowed_hosts": "lunar.test"}
    with guarded_service(starter_home, tmp_path_factory.mktemp("limited"), **settings) as found:
        yield found


def test_a_trusted_network_that_clients_share_is_a_warning(limited: Guarded) -> None:
    """Whoever is in it evades the rate limit. The proxy's own address is none."""
    warnings = [line for line in limited.log.read_text().splitlines() if "LUNAR_TRUSTED_PROXIES" in line]
    assert len(warnings) == 1
    assert "10.0.0.0/8" in warnings[0]
    few = Settings(trusted_proxies=("10.0.0.7", "10.213.7.0/26", "fd00::1"))
    assert few.wide_proxies == ()
    assert Settings(trusted_proxies=("10.0.0.7", "0.0.0.0/0", "fd00::/64")).wide_proxies == ("0.0.0.0/0", "fd00::/64")


def ask_often(guarded: Guarded, *, times: int, came_from: str = "127.0.0.1", **headers: str) -> list[int]:
    transport = httpx2.HTTPTransport(local_address=came_from)
    with http.Client(base_url=guarded.address, transport=transport, headers=headers) as client:
        return [client.get("/model").status_code for _ in range(times)]


def test_a_rate_is_kept_per_key(limited: Guarded) -> None:
    """That it ends when it says: test_access."""
    assert ask_often(limited, times=3, **limited.user) == [200, 200, 429]
    assert ask_often(limited, times=2, **limited.admin) == [200, 200], "another key"
    refused = ask(limited, "GET", "/model", headers=limited.user)
    assert slug(refused) == "rate-limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 3600
    assert [http.get(f"{limited.address}/health/live").status_code for _ in range(5)] == [200] * 5


def test_a_forged_address_helps_nobody(limited: Guarded) -> None:
    """Without a key the address counts, and 127.0.0.1 is no proxy."""

    def forge(number: int, came_from: str) -> list[int]:
        return ask_often(limited, times=1, came_from=came_from, **{"X-Forwarded-For": f"198.51.100.{number}"})

    assert [forge(number, "127.0.0.1") for number in range(3)] == [[401], [401], [429]]
    assert [forge(number, "127.0.0.2") for number in range(3)] == [[401]] * 3, "a trusted proxy is believed"
    behind = {"X-Forwarded-For": "192.0.2.9, 198.51.100.7"}
    assert ask_often(limited, times=2, came_from="127.0.0.2", **behind) == [401, 401]
    behind = {"X-Forwarded-For": "192.0.2.10, 198.51.100.7"}
    assert ask_often(limited, times=1, came_from="127.0.0.2", **behind) == [429], "the proxy's own word counts"


def test_tls_at_the_proxy_makes_the_cookie_secure(limited: Guarded) -> None:
    for came_from, secure in (("127.0.0.1", False), ("127.0.0.2", True)):
        with http.Client(transport=httpx2.HTTPTransport(local_address=came_from)) as client:
            response = client.get(f"{limited.address}/", headers={"X-Forwarded-Proto": "https"})
        assert ("Secure" in response.headers["set-cookie"]) == secure


@pytest.mark.parametrize(("host", "status"), [
    ("lunar.test", 200), ("LUNAR.test:443", 200), ("localhost", 200), ("evil.test", 400), ("lunar.test.evil.test", 400),
    ("", 400), ("[x", 400),
])  # fmt: skip
def test_another_name_is_refused(limited: Guarded, host: str, status: int) -> None:
    response = ask(limited, "GET", "/", headers={"Host": host, "X-Forwarded-Host": "lunar.test"})
    assert response.status_code == status
    assert status == 200 or slug(response) == "unknown-host"


@pytest.mark.parametrize(("host", "status"), [("127.0.0.3", 200), ("127.0.0.4", 400)])
def test_the_address_that_was_reached_is_a_name_too(limited: Guarded, host: str, status: int) -> None:
    """Whoever looks after replicas, such as Prometheus, knows them by their addresses."""
    port = limited.address.rpartition(":")[2]
    response = http.get(f"http://127.0.0.3:{port}/health/ready", headers={"Host": f"{host}:{port}"})
    assert response.status_code == status
