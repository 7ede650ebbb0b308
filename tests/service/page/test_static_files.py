"""How long browsers keep the page's files."""

import re

from fastapi.testclient import TestClient

from tests.support.paths import ROOT


def test_files_at_the_pages_address_are_kept_for_ever(client: TestClient) -> None:
    """It has the hash of all files in it. A page of another release gets today's file, and asks again."""
    (script,) = re.findall(r'<script type="module" src="([^"]+)"', client.get("/").text)
    assert re.fullmatch(r"/static/v-[0-9a-f]{16}/page\.js", script)
    kept = client.get(script)
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert kept.text == (ROOT / "static/page.js").read_text()
    other = client.get("/static/v-0123456789abcdef/page.js")
    assert (other.text, other.headers["Cache-Control"]) == (kept.text, "no-cache")
    assert client.get(script.replace("page.js", "none.js")).status_code == 404


def test_files_are_asked_for_again(client: TestClient) -> None:
    first = client.get("/static/page.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get("/static/page.js", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert client.get("/").headers["Cache-Control"] == "no-store"
