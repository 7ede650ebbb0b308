"""create_app(settings): wiring only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from inference.registry import Registry
from inference.wording import DISCLAIMER
from service import api, docs, errors, invocations, page
from service.champion import Champion
from service.examination import Examiner
from service.metrics import Metrics, add_metrics
from service.security import SecurityHeaders
from service.settings import Settings
from service.shadow import Shadow
from service.telemetry import RequestLog


def create_app(settings: Settings) -> FastAPI:
    """The service. Nothing is loaded before its lifespan begins."""
    metrics = Metrics()
    champion = Champion(Registry(settings), settings, metrics)
    examiner = Examiner(settings)
    shadow = Shadow(champion, settings, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        champion.start()
        yield
        await asyncio.to_thread(champion.stop)
        await examiner.close()
        await shadow.close()

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
    page.add_page(app, settings, champion, examiner, shadow)
    add_metrics(app, metrics)
    docs.add_docs(app)

    async def problem(request: Request, error: Exception) -> Response:
        return errors.respond(request, error)

    for kind in (*errors.PROBLEMS, HTTPException):
        app.add_exception_handler(kind, problem)
    app.add_middleware(RequestLog)
    app.add_middleware(SecurityHeaders)  # added last: outermost, so that a 500 has them too
    return app
