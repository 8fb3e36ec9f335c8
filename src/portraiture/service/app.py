"""The service as one ASGI application.

make_app(ServiceSettings(folder)) ─▶ FastAPI: /v1/avatars, /v1/heads, /v1/jobs, /embed, /health,
                                     /metrics, /openapi.json
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware

from portraiture.jobs.open import open_jobs
from portraiture.paths import cannot_write
from portraiture.service import avatars, embed, heads, jobs, metrics, pages
from portraiture.service.access import Service
from portraiture.service.limits import RateLimit
from portraiture.service.local import LocalOnly
from portraiture.service.metrics import Metrics
from portraiture.service.problems import answer_problems
from portraiture.service.settings import ServiceSettings
from portraiture.service.signatures import load_secret
from portraiture.service.store import Store
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


def make_app(settings: ServiceSettings) -> FastAPI:
    """The application; it does no heavy work, which is the workers' (`service.run.serve`). Its
    `state.working` says whether they live, where it has some."""
    service = open_service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
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
    answer_problems(app)
    app.middleware("http")(app.state.metrics.count)
    app.middleware("http")(_harden)
    if settings.open:
        app.add_middleware(LocalOnly, origins=settings.origins)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.origins), allow_methods=["*"],
            allow_headers=["*"], expose_headers=list(EXPOSED),
        )  # fmt: skip
    return app


async def _harden(request: Request, call_next):  # type: ignore[no-untyped-def]
    response: Response = await call_next(request)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    return response
