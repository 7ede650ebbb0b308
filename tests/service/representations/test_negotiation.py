"""Which representation a client gets, and that every row of the table keeps its promise."""

import base64
import io
import threading

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from service.errors import NotAcceptable
from service.representations import REPRESENTATIONS
from service.representations.documents import JsonDocument
from service.representations.negotiation import negotiate, offered
from service.representations.representation import Answered, Document, Representation
from tests.support.dicom_files import dicom_file
from tests.support.lesion_images import lesion

GOOD = lesion()
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
DICOM = dicom_file()
ROWS = [(route, each) for each in REPRESENTATIONS for route in ("predict", "explain")]


@pytest.mark.parametrize(("accept", "chosen"), [
    ("", "application/json"), ("*/*", "application/json"), (BROWSER, "application/json"),
    ("application/json;charset=utf-8", "application/json"), ("application/*", "application/json"),
    ("image/png", "image/png"), ("IMAGE/PNG", "image/png"), ("image/*", "image/png"),
    ("image/png, application/json;q=0.5", "image/png"), ("image/png;q=0.5, application/json", "application/json"),
    ("image/png, */*", "application/json"), ("image/png, */*;q=0.1", "image/png"),
    ("application/json;q=0, */*;q=0.1, application/fhir+json;q=0", "image/png"),
    ("image/png, application/json;q=high", "image/png"),
])  # fmt: skip
def test_the_header_decides(accept: str, chosen: str) -> None:
    assert negotiate("explain", accept).media_type == chosen


@pytest.mark.parametrize("accept", ["text/plain", "image/png;q=0", "image/webp", "json", ";;;", "application/json;q=0"])
def test_what_cannot_be_given_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="answers with application/json, image/png"):
        negotiate("explain", accept)


def test_a_refusal_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (REPRESENTATIONS[0], Representation("application/x", "nowhere:X", extra="more", package="no_such_package"))
    monkeypatch.setattr("service.representations.negotiation.REPRESENTATIONS", rows)
    with pytest.raises(NotAcceptable, match=r"with application/json\. application/x needs the extra more"):
        negotiate("explain", "application/x")
    with pytest.raises(NotAcceptable, match="application/x needs the extra more"):
        negotiate("predict", 'multipart/related; type="application/dicom"')
    assert negotiate("explain", "application/x, application/json;q=0.1").media_type == "application/json"


@pytest.mark.parametrize(("route", "row"), ROWS, ids=[f"{route}-{row.media_type}" for route, row in ROWS])
def test_a_row_is_given_where_it_is_offered(client: TestClient, route: str, row: Representation) -> None:
    answer = client.post(f"/{route}", content=DICOM, headers={"Accept": row.media_type})
    documented = client.get("/openapi.json").json()["paths"][f"/{route}"]["post"]["responses"]["200"]["content"]
    if row in offered(route):
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith(row.media_type)
        assert answer.content
        assert row.media_type in documented
    else:
        assert (answer.status_code, answer.json()["type"]) == (406, "urn:lunar:problem:not-acceptable")
        assert all(each.media_type in answer.json()["detail"] for each in offered(route))
        assert row.media_type not in documented


@pytest.mark.parametrize(("query", "key"), [("", "overlay"), ("render=heatmap", "heatmap"), ("target=mel", "overlay")])
def test_a_png_is_the_picture_that_the_json_has(client: TestClient, query: str, key: str) -> None:
    answer = client.post(f"/explain?{query}", content=GOOD, headers={"Accept": "image/png"})
    expected = client.post(f"/explain?{query}", content=GOOD).json()["explanations"][0][key]
    assert answer.content == base64.b64decode(expected)
    assert Image.open(io.BytesIO(answer.content)).size == (60, 45)


@pytest.mark.parametrize("field", [{"target": "all"}, {"method": "all"}])
def test_several_pictures_are_no_png(client: TestClient, field: dict[str, str]) -> None:
    for request in ({"params": field}, {"data": field}):
        answer = client.post("/explain", files={"file": GOOD}, headers={"Accept": "image/png"}, **request)
        assert (answer.status_code, answer.json()["type"]) == (406, "urn:lunar:problem:not-acceptable")
        assert "one target" in answer.json()["detail"]


def test_every_line_of_accept_counts_and_the_answer_says_so(client: TestClient) -> None:
    lines = [("Accept", "text/html"), ("Accept", "application/fhir+json"), ("Content-Type", "image/jpeg")]
    answer = client.post("/predict", content=GOOD, headers=lines)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+json")
    assert "Accept" in [each.strip() for each in answer.headers["vary"].split(",")]


@pytest.mark.parametrize(("path", "outside"), [("/predict", False), ("/explain", True)])
def test_only_what_takes_long_leaves_the_event_loop(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str, outside: bool
) -> None:
    threads: list[str] = []
    render = JsonDocument.render

    def noted(document: JsonDocument, answered: Answered) -> Document:
        threads.append(threading.current_thread().name)
        return render(document, answered)

    monkeypatch.setattr(JsonDocument, "render", noted)
    assert client.post(path, content=GOOD, headers={"Content-Type": "image/jpeg"}).status_code == 200
    assert [name.startswith("asyncio_") for name in threads] == [outside]
