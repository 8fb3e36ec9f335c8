"""The service as one ASGI application.

make_app(ServiceSettings(folder)) ─▶ FastAPI: /v1/avatars, /v1/heads, /v1/jobs, /embed, /health,
                                     /metrics, /openapi.json, /studio where asked for
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portraiture.jobs.open import open_jobs
from portraiture.paths import cannot_write
from portraiture.service import avatars, embed, heads, jobs, metrics, pages
from portraiture.service.access import Service
from portraiture.service.limits import RateLimit
from portraiture.service.local import LocalOnly
from portraiture.service.metrics import Counted, Metrics
from portraiture.service.problems import answer_problems
from portraiture.service.settings import ServiceSettings
from portraiture.service.signatures import load_secret
from portraiture.service.store import Store
from portraiture.studio.guard import Guard
from portraiture.version import __version__

ABOUT = """\
One photo or seed in; an editable 3D portrait out: avatars as GLB and VRM with 52 ARKit expressions,
and neural heads. POST what you have, follow the job, fetch the files.
"""
EXPOSED = ("Location", "Retry-After", "ETag", "X-Version")


def open_service(settings: ServiceSettings) -> Service:
    """Everything that routes and workers work with. Raises JobError where the folder or the
    database cannot be used."""
    store = Store(settings.folder)
    try:
        store.prepare()
        secret = load_secret(settings.folder)
    except OSError as error:
        raise cannot_write(settings.folder, error) from error
    table = open_jobs(settings.jobs)
    return Service(
        settings, table, secret,
        RateLimit(settings.rate, settings.burst), store,
    )  # fmt: skip


def make_app(settings: ServiceSettings, *, studio: Guard | None = None) -> FastAPI:
    """The application; it does no heavy work, which is the workers' (`service.run.serve`), but for
    the studio's. Its `state.working` says whether they live, where it has some. studio: who may
    use the studio at /studio; None for no studio."""
    service = open_service(settings)
    page = None if studio is None else _studio(studio)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if page is not None:
            page.state.session.jobs.cancel_all()
        service.table.close()

    app = FastAPI(
        title="Portraiture",
        version=__version__,
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    app.state.working = lambda: True
    app.state.metrics = Metrics(service.table)
    for routes in (avatars, heads, jobs, embed, metrics, pages):
        app.include_router(routes.router)
    if page is not None:
        app.mount("/studio", page)
    answer_problems(app)
    app.add_middleware(Counted, metrics=app.state.metrics)
    app.add_middleware(_Hardened)
    if settings.open:
        app.add_middleware(LocalOnly, origins=settings.origins)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.origins), allow_methods=["*"],
            allow_headers=["*"], expose_headers=list(EXPOSED),
        )  # fmt: skip
    return app


def _studio(guard: Guard) -> FastAPI:
    from portraiture.studio.app import make_app  # loads the engine

    return make_app(guard=guard)


class _Hardened:
    """Middleware that adds headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
            await send(message)

        await self._app(scope, receive, add)
