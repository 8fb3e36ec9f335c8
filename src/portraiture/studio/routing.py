"""Routes that check who asks before they read what is sent, and whose answers carry the studio's
headers, whatever app they are in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection

from portraiture.studio.guard import HEADERS
from portraiture.studio.uploads import MAX_JSON_BYTES, bounded

Check = Callable[[HTTPConnection], None]
"""Raises HTTPException or WebSocketException for what may not ask."""


class StudioRoute(APIRoute):
    """A route that sets `HEADERS` where the answer has none of that name, and takes JSON of at most
    `MAX_JSON_BYTES`. check: see `new_router`."""

    check: Check

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def headed(request: Request) -> Response:
            self.check(request)
            if self.body_field is not None:
                request = Request(request.scope, bounded(request, MAX_JSON_BYTES))
            response = await handle(request)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return headed


def new_router(check: Check) -> APIRouter:
    """A router of such routes. check: of each request, before its body is read, and of each
    WebSocket, before it is accepted."""

    class Checked(StudioRoute):
        pass

    Checked.check = staticmethod(check)
    return APIRouter(route_class=Checked, dependencies=[Depends(check)])
