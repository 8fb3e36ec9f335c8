"""A service without keys answers this computer alone: not pages of other sites in its browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from portraiture.service.problems import ProblemError, answer

NAMES = {"127.0.0.1", "localhost", "::1"}


class LocalOnly:
    """Middleware that refuses another Host, which a name that was rebound to this computer has, and
    another Origin, which a foreign page's requests have. origins: of pages that may ask all the
    same."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...] = ()) -> None:
        self._app, self._origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 403."""
        if scope["type"] == "http" and not self._local(HTTPConnection(scope)):
            refusal = ProblemError(403, "Without API keys the service answers this computer alone.")
            await answer(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _local(self, request: HTTPConnection) -> bool:
        host = request.headers.get("host", "")
        origin = request.headers.get("origin")
        named = _name(f"http://{host}") in NAMES
        ours = origin is None or origin in self._origins or "*" in self._origins
        return named and (ours or urlsplit(origin or "").netloc == host)


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
