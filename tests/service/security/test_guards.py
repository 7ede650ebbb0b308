"""What the guards count, compare and leave closed, on a fake runtime."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service.security.api_key import new_key
from service.security.page_session import COOKIE
from tests.support.lesion_images import lesion

GOOD = lesion()
(KEY, SENT), (SECOND, SENT_SECOND) = (new_key("somebody", "user") for _ in range(2))
KEYS = {"keys": SecretStr(f"{KEY.line} {SECOND.line}")}
OPEN = Callable[..., TestClient]


def test_guessing_keys_is_counted(open_client: OPEN) -> None:
    client = open_client(**KEYS, rate_limit="3/hour")
    guesses = [client.get("/model", headers={"X-API-Key": f"{KEY.id}.{number}"}).status_code for number in range(5)]
    assert guesses == [401, 401, 401, 429, 429]
    assert client.get("/model", headers={"X-API-Key": SENT}).status_code == 200, "who has a key is counted apart"


def test_each_key_of_a_client_is_counted_apart(open_client: OPEN) -> None:
    client = open_client(**KEYS, rate_limit="2/hour")
    for sent in (SENT, SENT_SECOND):
        statuses = [client.get("/model", headers={"X-API-Key": sent}).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]


@pytest.mark.parametrize("headers", [
    {"Origin": "http://LocalHost"}, {"Origin": "http://localhost", "Host": "LOCALHOST"},
    {"Origin": "http://LOCALHOST:8000", "Host": "localhost:8000"},
])  # fmt: skip
def test_a_name_is_the_same_in_capitals(open_client: OPEN, headers: dict[str, str]) -> None:
    assert open_client().post("/predict", content=GOOD, headers=headers).status_code == 200


@pytest.mark.parametrize(("setting", "closed"), [
    ("public_docs", ["/metrics", "/model", "/predict"]),
    ("public_metrics", ["/docs", "/openapi.json", "/model", "/predict"]),
])  # fmt: skip
def test_a_setting_opens_nothing_else(open_client: OPEN, setting: str, closed: list[str]) -> None:
    client = open_client(**KEYS, **{setting: True})
    assert [client.get(path).status_code for path in closed] == [401] * len(closed)


def test_a_cookie_is_signed_with_256_bits(open_client: OPEN) -> None:
    client = open_client(**KEYS)
    client.get("/")
    assert len(bytes.fromhex(client.cookies[COOKIE].partition(".")[2])) == 32


@pytest.mark.parametrize(("host", "status"), [
    ("lunar.example", 200), ("LUNAR.example:443", 200), ("box.example", 200), ("BOX.example", 200), ("evil.test", 400),
])  # fmt: skip
def test_allowed_names_and_the_name_it_listens_on_are_known(open_client: OPEN, host: str, status: int) -> None:
    """However the settings write them."""
    client = open_client(host="Box.example", allowed_hosts=("Lunar.Example",), without_keys=True)
    assert client.get("/", headers={"Host": host}).status_code == status


POLICY = {
    "content-security-policy": {
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:",
        "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    },
    "x-content-type-options": {"nosniff"},
    "referrer-policy": {"same-origin"},
    "cross-origin-opener-policy": {"same-origin"},
    "cross-origin-resource-policy": {"same-origin"},
}  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/model", "/static/page.js", "/docs", "/nowhere"])
def test_the_security_headers_say_what_they_must(client: TestClient, path: str) -> None:
    """Written out here: a policy that somebody weakens in one place must be noticed in another."""
    headers = client.get(path).headers
    assert {name: set(headers[name].split("; ")) for name in POLICY} == POLICY


@pytest.mark.parametrize(("method", "path"), [("POST", "/predict"), ("POST", "/result"), ("GET", "/model")])
def test_answers_are_kept_by_nobody(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path, content=GOOD if method == "POST" else None)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
