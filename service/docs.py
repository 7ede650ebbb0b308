"""GET /docs: the API's description in Swagger UI, from files of its own, so that it works offline."""

from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from service.access import Access

_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Lunar API</title>
<link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/static/docs.js"></script>
</body>
</html>
"""


def add_docs(app: FastAPI, access: Access) -> None:
    """Add /docs and the files it needs, and to the description who may ask what."""
    describe = app.openapi

    def describe_with_access() -> dict[str, Any]:
        if not app.openapi_schema:
            access.describe(describe())
        return describe()

    app.openapi = describe_with_access  # type: ignore[method-assign]  # FastAPI's own way to extend it

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(_HTML)

    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_swagger", "resources")]))
