"""create_app(settings): connects routes, error handlers and middleware; holds no logic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from inference import __version__
from inference.prediction.messages import DISCLAIMER
from service.api import health, invocations, openapi_docs, operation
from service.api import routes as api
from service.api.openapi_document import operation_id
from service.components import Components
from service.http import problems
from service.http.head_requests import HeadRequests
from service.http.request_log import HEADER as REQUEST_ID
from service.http.request_log import RequestLog
from service.http.security_headers import SecurityHeaders
from service.observability.request_record import keyed_hash
from service.open_inference import routes as open_inference
from service.page import model_card, static_files
from service.page import routes as page
from service.page.renderer import PageRenderer
from service.security.allowed_hosts import AllowedHosts
from service.security.authorization import HEADER, AuthorizationMiddleware
from service.settings import Settings

# Answers in JSON are small, or mostly PNGs in base64, which hardly become smaller.
UNCOMPRESSED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/json", "application/problem+json")

ROUTERS = (
    api.router,
    operation.router,
    health.router,
    invocations.router,
    open_inference.router,
    page.router,
    model_card.router,
    openapi_docs.router,
)


def create_app(settings: Settings) -> FastAPI:
    """The service. No model is loaded before its lifespan begins. Raises InvalidKeys."""
    components = Components.create(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await components.start()
        yield
        await components.stop()

    app = FastAPI(
        title="Lunar",
        version=__version__,
        description=f"Dermoscopic image classification with heat maps. {DISCLAIMER['en']}",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    app.state.components = components
    app.state.page = PageRenderer(settings)
    for router in ROUTERS:
        app.include_router(router)
    static_files.mount(app)
    openapi_docs.mount(app, components.access_policy)
    _add_error_handlers(app)
    _add_middleware(app, components)
    return app


def _add_error_handlers(app: FastAPI) -> None:
    async def handle(request: Request, error: Exception) -> Response:
        return problems.respond(request, error)

    for kind in (*problems.PROBLEMS, HTTPException):
        app.add_exception_handler(kind, handle)


def _add_middleware(app: FastAPI, components: Components) -> None:
    """The last one is the outermost: an error in any of them gets the security headers and a line in the log."""
    settings = components.settings
    app.add_middleware(GZipMiddleware, compresslevel=6, exclude_content_types=UNCOMPRESSED)
    app.add_middleware(HeadRequests)
    app.add_middleware(AuthorizationMiddleware, access=components.access_policy)
    app.add_middleware(
        CORSMiddleware,  # for no origin unless the settings name one, and never with cookies
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=(HEADER, "Content-Type", REQUEST_ID),
        expose_headers=(REQUEST_ID, "Retry-After"),
    )
    app.add_middleware(AllowedHosts, settings=settings)
    app.add_middleware(RequestLog, fingerprint=keyed_hash(settings), metrics=components.metrics, spans=components.spans)
    app.add_middleware(SecurityHeaders)
