"""GET /docs: Swagger UI from local files, so that it works offline; the OpenAPI document names who may do what."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from service.api.openapi_document import complete
from service.security.authorization import AccessPolicy

_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Lunar API</title>
<link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="stylesheet" href="/static/docs.css">
</head>
<body>
<nav><a href="/">Lunar: the page</a> <a href="/model-card?lang=en">Model card</a></nav>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/static/docs.js"></script>
</body>
</html>
"""


router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Swagger UI."""
    return HTMLResponse(_HTML)


def mount(app: FastAPI, access: AccessPolicy) -> None:
    """Add Swagger UI's files, and to the OpenAPI document which operations need a key."""
    describe = app.openapi

    def describe_with_access() -> dict[str, Any]:
        if not app.openapi_schema:
            access.describe(describe())
            complete(describe())
        return describe()

    app.openapi = describe_with_access  # type: ignore[method-assign]  # FastAPI's own way to extend it
    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_swagger", "resources")]))
