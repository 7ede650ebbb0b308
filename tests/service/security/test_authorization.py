"""Path-based authorization, on a fake runtime: page sessions, other sites, and what the settings open."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr, ValidationError

from service.app import ROUTERS, create_app
from service.security import moving_window, page_session
from service.security.api_key import new_key
from service.security.authorization import NEEDS
from service.security.page_session import COOKIE
from service.settings import Settings
from tests.support.lesion_images import lesion
from tests.support.locales import LOCALES
from tests.support.settings import SECRET

GOOD = lesion()
KEY, SENT = new_key("somebody", "user")
KEYS = {"keys": SecretStr(KEY.line), "secret": SecretStr(SECRET)}
HEADERS = {"X-API-Key": SENT}
OPEN, PAGE = Callable[..., TestClient], ("/", "/result")


def later(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the clocks of sessions and of rates are so many seconds ahead."""
    now, monotonic = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: now() + seconds)
    # Not time.monotonic itself: it is also the clock of the event loop.
    monkeypatch.setattr(moving_window, "time", SimpleNamespace(monotonic=lambda: monotonic() + seconds))


def slug(client: TestClient, path: str, **options: object) -> str:
    response = client.post(path, content=GOOD, **options)
    return "answered" if response.is_success else response.json()["type"].rpartition(":")[2]


def test_every_route_has_a_row_and_every_row_a_route(fake_settings: Settings) -> None:
    """A forgotten row closes a route; here it is noticed."""
    app = create_app(fake_settings)
    routes = [*app.routes, *(route for router in ROUTERS for route in router.routes)]
    paths = {route.path for route in routes if hasattr(route, "path")} | set(app.openapi()["paths"])
    assert {path.split("/")[1] or "/" for path in paths} == set(NEEDS)


@pytest.mark.parametrize("path", [*PAGE, "/predict"])
def test_the_page_asks_without_a_key(open_client: OPEN, path: str) -> None:
    client = open_client(**KEYS)
    assert client.post(path, content=GOOD).status_code == 401
    client.cookies.clear()
    set_cookie = client.get("/").headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= set(set_cookie.split("; "))
    assert client.post(path, content=GOOD).status_code == 200
    assert slug(client, "/explain") == "missing-key"
    assert client.post("/admin/reload").status_code == 401


def test_without_keys_there_is_no_cookie(client: TestClient) -> None:
    assert "set-cookie" not in client.get("/").headers
    assert "set-cookie" not in client.post("/result", content=GOOD).headers


def forged(cookie: str) -> list[str]:
    until, _, signature = cookie.partition(".")
    return [
        "",
        "x",
        ".",
        until,
        f"{until}.",
        f"{int(until) + 9}.{signature}",
        f"{until}.{signature[::-1]}",
        f"-1.{'0' * 64}",
    ]


@pytest.mark.parametrize("number", range(8))
def test_a_forged_cookie_is_refused(open_client: OPEN, number: int) -> None:
    client = open_client(**KEYS)
    client.get("/")
    cookie = forged(client.cookies[COOKIE])[number]
    client.cookies.clear()
    assert slug(client, "/predict", headers={"Cookie": f"{COOKIE}={cookie}"}) == "expired-visit"


def test_a_session_ends_and_the_refusal_brings_the_next(open_client: OPEN, monkeypatch: pytest.MonkeyPatch) -> None:
    client = open_client(**KEYS)
    client.get("/")
    old = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
    assert slug(client, "/predict", headers=old) == "answered"
    later(page_session.LASTS_S, monkeypatch)
    client.cookies.clear()
    assert slug(client, "/predict", headers=old) == "expired-visit"
    response = client.post("/result", content=GOOD, headers=old)
    assert response.status_code == 401
    assert LOCALES["es"].texts["problems"]["expired-visit"]["title"] in response.text
    assert slug(client, "/predict", headers={"Cookie": response.headers["set-cookie"].partition(";")[0]}) == "answered"


def test_page_sessions_survive_a_restart_only_with_a_secret(open_client: OPEN) -> None:
    for secret, outcome in ((SecretStr(SECRET), "answered"), (None, "expired-visit")):
        first, second = (open_client(keys=KEYS["keys"], secret=secret) for _ in range(2))
        first.get("/")
        second.cookies = first.cookies
        assert slug(second, "/predict") == outcome


STRANGERS = [
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.test"},
    {"Origin": "null"}, {"Origin": "http://localhost:8001"}, {"Origin": "http://localhost.evil.test"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
]  # fmt: skip


@pytest.mark.parametrize("headers", STRANGERS)
@pytest.mark.parametrize("keys", [KEYS, {}])
def test_another_site_causes_nothing(open_client: OPEN, keys: dict, headers: dict[str, str]) -> None:
    """Not even if a browser would send the cookie along, and not on loopback, where no key is asked for."""
    client = open_client(**keys)
    client.get("/")
    assert slug(client, "/predict", headers=headers) == "cross-site"
    response = client.post("/result", content=GOOD, headers=headers)
    assert response.status_code == 403
    assert LOCALES["es"].texts["problems"]["cross-site"]["title"] in response.text
    if not keys:
        assert client.post("/admin/reload", headers=headers).status_code == 403
        assert client.post("/admin/reload").status_code == 200


@pytest.mark.parametrize("headers", [
    {}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost"},
])  # fmt: skip
def test_the_page_itself_is_no_other_site(open_client: OPEN, headers: dict[str, str]) -> None:
    client = open_client(**KEYS)
    client.get("/")
    assert slug(client, "/predict", headers=headers) == "answered"


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "null", "http://elsewhere.test"])
def test_an_origin_that_is_not_this_service_is_refused(client: TestClient, origin: str) -> None:
    """Also one that is no address, as only a program sends."""
    assert client.post("/predict", content=GOOD, headers={"Origin": origin}).status_code == 403


def preflight(client: TestClient) -> dict[str, str]:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    found = client.options("/predict", headers={"Origin": "https://friend.test"} | asked).headers
    answer = client.post("/predict", content=GOOD, headers={"Origin": "https://friend.test"} | HEADERS).headers
    return {name: value for name, value in (found | dict(answer)).items() if name.startswith("access-control")}


def test_without_keys_scripts_of_named_origins_are_let_in(open_client: OPEN) -> None:
    headers = {"Origin": "https://friend.test", "Sec-Fetch-Site": "cross-site"}
    for named, status in ((("https://friend.test",), 200), (("https://other.test",), 403), ((), 403)):
        client = open_client(cors_origins=named)
        assert client.post("/predict", content=GOOD, headers=headers).status_code == status
    keyed = open_client(**KEYS, cors_origins=("https://friend.test",))
    keyed.get("/")  # the page's session is for its own script
    assert keyed.post("/predict", content=GOOD, headers=headers).status_code == 403


def test_scripts_of_other_origins_are_let_in_by_name_only(open_client: OPEN) -> None:
    assert "access-control-allow-origin" not in preflight(open_client(**KEYS))
    allowed = preflight(open_client(**KEYS, cors_origins=("https://friend.test",)))
    assert allowed["access-control-allow-origin"] == "https://friend.test"
    assert "x-api-key" in allowed["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in allowed
    other = preflight(open_client(**KEYS, cors_origins=("https://other.test",)))
    assert "access-control-allow-origin" not in other


@pytest.mark.parametrize(
    ("setting", "paths"), [("public_docs", ["/docs", "/openapi.json"]), ("public_metrics", ["/metrics"])]
)
def test_settings_open_what_is_closed(open_client: OPEN, setting: str, paths: list[str]) -> None:
    closed, opened = open_client(**KEYS), open_client(**KEYS, **{setting: True})
    for path in paths:
        assert (closed.get(path).status_code, opened.get(path).status_code) == (401, 200)
    assert opened.get("/model").status_code == 401
    assert ('href="/docs"' in opened.get("/").text) == (setting == "public_docs")
    assert 'href="/docs"' not in closed.get("/").text
    assert ('href="/docs"' in opened.get("/model-card").text) == (setting == "public_docs")
    assert 'href="/model"' not in opened.get("/model-card").text


def test_the_openapi_document_says_what_needs_a_key(open_client: OPEN) -> None:
    document = open_client(**KEYS).get("/openapi.json", headers=HEADERS).json()
    assert document["components"]["securitySchemes"] == {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            closed = NEEDS[path.split("/")[1]].name != "NOTHING"
            assert (operation.get("security") == [{"key": []}]) == closed, path
            assert not closed or {"401", "403", "429"} <= set(operation["responses"]), path
    free = open_client().get("/openapi.json").json()
    assert not any("security" in each for operations in free["paths"].values() for each in operations.values())


@pytest.mark.parametrize("keys", [KEYS, {}])
def test_the_page_is_counted_by_address_and_says_when_to_come_back(
    open_client: OPEN, keys: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_client(**keys, rate_limit="2/hour")
    assert [client.get("/").status_code for _ in range(4)] == [200] * 4, "looking is free"
    assert [client.post("/result", content=GOOD).status_code for _ in range(2)] == [200] * 2
    response = client.post("/result", content=GOOD)
    assert response.status_code == 429
    seconds = int(response.headers["Retry-After"])
    assert 1 <= seconds <= 3600
    assert LOCALES["es"].texts["problems"]["rate-limited"]["title"] in response.text
    assert re.search(rf'data-after="{seconds}"', response.text)
    assert slug(client, "/predict") == "rate-limited"
    assert not keys or slug(client, "/predict", headers=HEADERS) == "answered", "a key is counted apart"
    later(seconds, monkeypatch)
    assert slug(client, "/predict") == "answered"


def test_on_loopback_only_names_of_this_machine_are_known(open_client: OPEN) -> None:
    client = open_client()
    for host, status in {"localhost:8000": 200, "127.0.0.1": 200, "[::1]:8000": 200, "evil.test": 400}.items():
        assert client.get("/", headers={"Host": host}).status_code == status
    elsewhere = open_client(host="0.0.0.0")
    assert elsewhere.get("/", headers={"Host": "lunar.example"}).status_code == 200


@pytest.mark.parametrize(("name", "value"), [
    ("trusted_proxies", "*"), ("trusted_proxies", "proxy.example"), ("rate_limit", "often"),
    ("rate_limit", "1/second;9/minute"), ("secret", "too short"),
])  # fmt: skip
def test_settings_that_would_not_protect_are_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"LUNAR_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name) as refused:
        Settings()
    assert "too short" not in str(refused.value)


def test_a_secret_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers get it; what the environment says goes first."""
    (tmp_path / "lunar_secret").write_text("x" * 32 + "\n")
    found = Settings(_secrets_dir=tmp_path).secret
    assert found and found.get_secret_value() == "x" * 32
    monkeypatch.setenv("LUNAR_SECRET", "y" * 32)
    found = Settings(_secrets_dir=tmp_path).secret
    assert found and found.get_secret_value() == "y" * 32


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True),
                                                ("localhost", True), ("0.0.0.0", False), ("::", False),
                                                ("192.0.2.1", False), ("lunar.example", False)])  # fmt: skip
def test_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert Settings(host=host).on_loopback == loopback
