"""Routes whose answers carry the studio's headers, whatever app they are in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from portraiture.studio.guard import HEADERS


class StudioRoute(APIRoute):
    """A route that sets `HEADERS` where the answer has none of that name."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def headed(request: Request) -> Response:
            response = await handle(request)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return headed


def new_router() -> APIRouter:
    """A router of such routes."""
    return APIRouter(route_class=StudioRoute)
