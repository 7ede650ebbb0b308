"""HEAD wherever GET is, and which answers are compressed."""

from collections.abc import Callable

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service.app import ROUTERS
from service.security.api_key import new_key
from tests.support.lesion_images import lesion

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
PATHS = [
    *sorted({route.path for route in ROUTES if "GET" in route.methods} - {"/examples/{name}"}),
    *("/examples/drawn-1.jpg", "/static/page.js", "/docs/assets/swagger-ui.css", "/openapi.json", "/nowhere"),
]
# They differ from one request to the next.
CHANGING = {"x-request-id", "set-cookie", "content-length"}


@pytest.mark.parametrize("path", PATHS)
def test_head_answers_like_get_without_a_body(client: TestClient, path: str) -> None:
    got, asked = client.get(path), client.head(path)
    assert asked.content == b""
    assert asked.status_code == got.status_code
    assert {*asked.headers} == {*got.headers}
    kept = {name: value for name, value in got.headers.items() if name not in CHANGING}
    assert {name: asked.headers[name] for name in kept} == kept
    if path not in ("/metrics", "/nowhere"):  # whose content changes with every request
        assert asked.headers.get("content-length") == got.headers.get("content-length")


def test_head_where_only_post_is_is_refused_as_get_is(client: TestClient) -> None:
    assert client.head("/predict").status_code == client.get("/predict").status_code == 405


def test_head_is_counted_under_its_route_and_its_own_name(client: TestClient) -> None:
    client.head("/model")
    lines = client.get("/metrics").text.splitlines()
    assert [line for line in lines if 'method="HEAD"' in line and 'route="/model"' in line]


def test_head_needs_a_key_where_get_does(open_client: Callable[..., TestClient]) -> None:
    client = open_client(keys=SecretStr(new_key("a", "user")[0].line))
    assert client.head("/model").status_code == 401
    assert client.head("/").status_code == 200


@pytest.mark.parametrize(("path", "packed"), [
    ("/", True), ("/model-card", True), ("/static/page.js", True), ("/static/page.css", True), ("/metrics", True),
    ("/docs/assets/swagger-ui-bundle.js", True), ("/examples/drawn-1.jpg", False), ("/model", False),
])  # fmt: skip
def test_texts_and_static_files_are_compressed(client: TestClient, path: str, packed: bool) -> None:
    response = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert (response.headers.get("Content-Encoding") == "gzip") == packed
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert path == "/metrics" or response.content == plain.content


def test_pngs_in_base64_are_not_compressed(client: TestClient) -> None:
    response = client.post("/explain?target=all", content=lesion(), headers={"Accept-Encoding": "gzip"})
    assert response.status_code == 200
    assert "Content-Encoding" not in response.headers
