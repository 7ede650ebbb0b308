"""Bad input: each case gets a problem of its own, which names the cause and the allowed values."""

import io
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from service.http.problems import PROBLEMS
from tests.support.huge_png import png_claiming
from tests.support.lesion_images import lesion

GOOD = lesion()
GIF = io.BytesIO()
Image.new("RGB", (9, 9)).save(GIF, "GIF")
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}

CUT_OFF = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + GOOD[:99]

BAD_INPUT = [
    ("nothing at all", {}, 400, "no-image"),
    ("an empty body", {"content": b"", "headers": {"Content-Type": "image/jpeg"}}, 400, "no-image"),
    ("an empty file", {"files": {"file": ("a.jpg", b"")}}, 400, "no-image"),
    ("another field", {"files": {"image": ("a.jpg", GOOD)}}, 400, "no-image"),
    ("a text field", {"files": {"file": (None, "hello")}}, 400, "no-image"),
    ("two files", {"files": [("file", ("a.jpg", GOOD)), ("file", ("b.jpg", GOOD))]}, 400, "several-images"),
    ("three files", {"files": [("file", ("a.jpg", GOOD))] * 3}, 400, "several-images"),
    ("two fields", {"files": [("file", ("a.jpg", GOOD)), ("other", ("b.jpg", GOOD))]}, 400, "several-images"),
    ("no boundary", {"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "broken-upload"),
    ("another boundary", {"content": b"--y\r\n\r\n", "headers": MULTIPART}, 400, "broken-upload"),
    ("a form that is cut off", {"content": b"--x\r\nContent-Dis", "headers": MULTIPART}, 400, "broken-upload"),
    ("a form cut off in its file", {"content": CUT_OFF, "headers": MULTIPART}, 400, "broken-upload"),
    ("too many bytes", {"content": b"\xff\xd8\xff" + bytes(100_000)}, 413, "body-too-large"),
    ("too many bytes in a form", {"files": {"file": ("a.jpg", bytes(100_000))}}, 413, "body-too-large"),
    ("too many pixels", {"content": png_claiming(9000, 9000)}, 413, "image-too-large"),
    ("text", {"content": b"hello"}, 415, "unsupported-format"),
    ("text called jpg", {"files": {"file": ("a.jpg", b"hello", "image/jpeg")}}, 415, "unsupported-format"),
    ("a GIF", {"files": {"file": ("a.png", GIF.getvalue(), "image/png")}}, 415, "unsupported-format"),
    ("JSON", {"json": {"file": "x"}}, 415, "unsupported-format"),
    ("half a JPEG", {"content": GOOD[: len(GOOD) // 2]}, 422, "unreadable-image"),
    ("a wrong language", {"params": {"lang": "fr"}, "content": GOOD}, 422, "invalid-parameter"),
    ("three views", {"params": {"tta": "3"}, "content": GOOD}, 422, "invalid-parameter"),
    ("an unknown parameter", {"params": {"colour": "red"}, "content": GOOD}, 422, "invalid-parameter"),
    ("a wrong method", {"params": {"method": "lime"}, "content": GOOD}, 422, "invalid-parameter"),
    ("a wrong target", {"params": {"target": "wart"}, "content": GOOD}, 422, "invalid-parameter"),
    ("a wrong rendering", {"params": {"render": "svg"}, "content": GOOD}, 422, "invalid-parameter"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "status", "slug"), [row[1:] for row in BAD_INPUT], ids=[row[0] for row in BAD_INPUT]
)
def test_bad_input(open_client: Callable[..., TestClient], request_: dict, status: int, slug: str) -> None:
    response = open_client(max_body_bytes=50_000).post("/explain", **request_)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == f"urn:lunar:problem:{slug}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize(("query", "allowed"), [
    ("lang=fr", "'es' or 'en'"), ("tta=3", "1, 2, 4 or 8"), ("target=wart", "'vasc'"), ("method=lime", "'gradcam'"),
    ("render=svg", "'both', 'heatmap', 'overlay' or 'sr'"), ("render=sr", "json: both, heatmap, overlay"),
    ("colour=red", "lang, tta, coverage, subject, study, method, target, render"), ("target=wart", "'vasc' or 'all'"),
])  # fmt: skip
def test_a_wrong_value_names_the_allowed_ones(client: TestClient, query: str, allowed: str) -> None:
    detail = client.post(f"/explain?{query}", content=GOOD).json()["detail"]
    assert allowed in detail
    assert query.partition("=")[0] in detail


def test_a_chunked_body_is_bounded_while_it_is_read(open_client: Callable[..., TestClient]) -> None:
    def chunks() -> object:
        for _ in range(100):
            yield bytes(1000)

    response = open_client(max_body_bytes=50_000).post("/predict", content=chunks())
    assert response.status_code == 413
    assert "50,000 bytes" in response.json()["detail"]


def test_other_http_errors_are_problems_too(client: TestClient) -> None:
    for response, status in ((client.get("/nowhere"), 404), (client.get("/predict"), 405)):
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "about:blank"
        assert response.json()["request_id"]


def test_every_problem_has_its_own_slug() -> None:
    slugs = [problem.slug for problem in PROBLEMS.values()]
    assert len(set(slugs)) == len(slugs)
    assert all((problem.status == 503) == (problem.retry_after is not None) for problem in PROBLEMS.values())
