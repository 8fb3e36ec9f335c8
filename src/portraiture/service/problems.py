"""Errors as the service answers them: problem details (RFC 9457), one sentence each."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from portraiture.errors import (
    IdempotencyError,
    JobError,
    OutputError,
    PhotoError,
    PortraitureError,
    QueueFullError,
)

TITLES = {
    400: "Bad request",
    401: "No valid API key",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Gone",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    422: "Unusable input",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available now",
    507: "Disk full",
}
RETRY_SECONDS = 10
"""What Retry-After says where the queue is full."""
log = logging.getLogger(__name__)


class ProblemError(Exception):
    """An answer other than success. detail: one sentence, what is wrong and what to do."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def answer(problem: ProblemError) -> JSONResponse:
    """The response to a problem."""
    title = TITLES.get(problem.status, "Error")
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": problem.status, "detail": problem.detail},
        problem.status,
        problem.headers,
        "application/problem+json",
    )


def problem_of(error: PortraitureError) -> ProblemError:
    """How an error of the library is answered."""
    match error:
        case QueueFullError():
            return ProblemError(429, str(error), {"Retry-After": str(RETRY_SECONDS)})
        case IdempotencyError():
            return ProblemError(409, str(error))
        case OutputError() if "disk is full" in str(error):
            return ProblemError(507, "The service's disk is full; try again later.")
        case OutputError() | JobError():
            log.error("the service cannot work: %s", error)
            return ProblemError(503, "The service cannot keep results now; try again later.")
        case PhotoError():
            return ProblemError(422, str(error))
        case _:
            return ProblemError(422, str(error))


def answer_problems(app: FastAPI) -> None:
    """Answer every error of every route as a problem; what nobody foresaw is logged, not shown."""

    @app.exception_handler(ProblemError)
    async def _problem(_: Request, error: ProblemError) -> JSONResponse:
        return answer(error)

    @app.exception_handler(PortraitureError)
    async def _ours(_: Request, error: PortraitureError) -> JSONResponse:
        return answer(problem_of(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(ProblemError(422, _sentence(error)))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        return answer(ProblemError(error.status_code, f"{error.detail}.", error.headers))

    @app.exception_handler(Exception)
    async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
        log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(ProblemError(500, "Something went wrong here; it is in the service's log."))


def _sentence(error: RequestValidationError) -> str:
    """The first of a request's faults."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}."
