"""create_app(settings): wiring only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from inference.registry import Registry
from inference.wording import DISCLAIMER
from service import api, docs, errors, invocations, page
from service.access import HEADER, Access, Guard
from service.audit import keyed_hash
from service.champion import Champion
from service.examination import Examiner
from service.hosts import KnownHosts
from service.keys import Keys
from service.metrics import Metrics, add_metrics
from service.rates import Rates
from service.security import SecurityHeaders
from service.settings import Settings
from service.shadow import Shadow
from service.telemetry import HEADER as REQUEST_ID
from service.telemetry import RequestLog
from service.tracing import open_tracing


def create_app(settings: Settings) -> FastAPI:
    """The service. No model is loaded before its lifespan begins. Raises InvalidKeys."""
    metrics = Metrics()
    champion = Champion(Registry(settings), settings, metrics)
    examiner = Examiner(settings, metrics)
    rates = Rates(settings)
    access = Access(settings, Keys(settings), rates)
    shadow = Shadow(champion, settings, metrics)
    spans = open_tracing()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await champion.start()  # the port opens afterwards: a proxy sends what is refused there to another replica
        yield
        await asyncio.to_thread(champion.stop)
        await examiner.close()
        await shadow.close()
        await rates.close()
        if spans:
            await asyncio.to_thread(spans.close)

    app = FastAPI(
        title="Lunar",
        version="0.1.0",
        description=f"Dermoscopic image classification with heat maps. {DISCLAIMER['en']}",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(api.create_router(settings, champion, examiner, shadow))
    app.include_router(invocations.create_router(settings, champion, examiner))
    page.add_page(app, settings, access=access, champion=champion, examiner=examiner, shadow=shadow)
    add_metrics(app, metrics)
    docs.add_docs(app, access)

    async def problem(request: Request, error: Exception) -> Response:
        return errors.respond(request, error)

    for kind in (*errors.PROBLEMS, HTTPException):
        app.add_exception_handler(kind, problem)
    # The last is the outermost: an error of any has the security headers and a line in the log.
    app.add_middleware(Guard, access=access)
    app.add_middleware(
        CORSMiddleware,  # for no origin unless the settings name one, and never for cookies
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "POST"),
        allow_headers=(HEADER, "Content-Type", REQUEST_ID),
        expose_headers=(REQUEST_ID, "Retry-After"),
    )
    app.add_middleware(KnownHosts, settings=settings)
    app.add_middleware(RequestLog, fingerprint=keyed_hash(settings), metrics=metrics, spans=spans)
    app.add_middleware(SecurityHeaders)
    return app
