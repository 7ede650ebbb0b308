"""The page's styles, scripts and images under /static, and under an address that changes with their content."""

import hashlib
from functools import cache
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).resolve().parents[2] / "static"
REVALIDATED = "no-cache"  # browsers may keep a file, but have to ask (ETag) whether it is still the same
IMMUTABLE = "public, max-age=31536000, immutable"
_VERSION = "v-"


@cache
def static_address() -> str:
    """/static/v-<hash of all files>: what is there never changes. Scripts import each other by relative addresses."""
    digest = hashlib.sha256()
    for path in sorted(each for each in FOLDER.rglob("*") if each.is_file()):
        digest.update(f"{path.relative_to(FOLDER)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return f"/static/{_VERSION}{digest.hexdigest()[:16]}"


def mount(app: FastAPI) -> None:
    """Serve the folder `static`."""
    app.mount("/static", _VersionedFiles(directory=FOLDER))


class _VersionedFiles(StaticFiles):
    """Another version than ours is that of a replica of another release: its page gets our files, and asks again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See StaticFiles."""
        version, _, rest = path.partition("/")
        versioned = version.startswith(_VERSION) and bool(rest)
        response = await super().get_response(rest if versioned else path, scope)
        current = versioned and static_address().endswith(f"/{version}")
        response.headers["Cache-Control"] = IMMUTABLE if current and response.status_code < 400 else REVALIDATED
        return response
