"""The studio as an app, alone or mounted in another one.

browser ─Guard─▶ page, jobs, avatar, head ─▶ Session
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, HTTPException, Request, WebSocketException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from portraiture.errors import PortraitureError
from portraiture.studio.avatar_routes import avatar_routes
from portraiture.studio.guard import HEADERS, Guard, Refusal
from portraiture.studio.head_routes import head_routes
from portraiture.studio.job_routes import job_routes
from portraiture.studio.pages import page_routes
from portraiture.studio.session import Session

SENTENCES: dict[Refusal, str] = {
    "host": "The studio answers this computer only; open the address that the terminal shows.",
    "origin": "The studio answers its own page only.",
    "token": "This page is not the one that the studio opened; use the address in the terminal.",
}
POLICY_VIOLATION = 1008


def studio_router(session: Session, guard: Guard) -> APIRouter:
    """The page, its files and everything below `api/`, checked by `guard`."""

    def check(connection: HTTPConnection, *, public: bool) -> None:
        reason = guard.refusal(connection, public=public)
        if reason is None:
            return
        if connection.scope["type"] == "websocket":
            raise WebSocketException(POLICY_VIOLATION, SENTENCES[reason])
        raise HTTPException(401 if reason == "token" else 403, SENTENCES[reason])

    def check_page(connection: HTTPConnection) -> None:
        check(connection, public=True)

    def check_api(connection: HTTPConnection) -> None:
        check(connection, public=False)

    router = APIRouter()
    for routes in (job_routes, avatar_routes, head_routes):
        router.include_router(routes(session, check_api), prefix="/api")
    router.include_router(page_routes(check_page))
    return router


def answer_errors(app: FastAPI) -> None:
    """Answer errors with one sentence and the studio's headers."""

    @app.exception_handler(PortraitureError)
    def refused(request: Request, error: PortraitureError) -> Response:
        return JSONResponse({"error": str(error)}, 422, HEADERS)

    @app.exception_handler(StarletteHTTPException)
    def failed(request: Request, error: StarletteHTTPException) -> Response:
        return JSONResponse({"error": str(error.detail)}, error.status_code, HEADERS)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        return JSONResponse({"error": "The page sent something malformed."}, 422, HEADERS)


def make_app(session: Session | None = None, guard: Guard | None = None) -> FastAPI:
    """The studio as an app for one user of this computer. An app that mounts it should cancel the
    work of its `state.session` at its own end."""
    session, guard = session or Session(), guard or Guard()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        session.jobs.cancel_all()

    app = FastAPI(
        title="Portraiture Studio", lifespan=lifespan, docs_url=None, redoc_url=None,
        openapi_url=None,
    )  # fmt: skip
    app.state.session = session
    answer_errors(app)
    app.include_router(studio_router(session, guard))
    return app
