"""The avatar maker that other people's pages show in an iframe.

POST /v1/embed-tokens (with an API key) ─▶ a token for a person's browser, good for an hour
<iframe src="/embed?token=…"> ─▶ v1.frame.ready … v1.avatar.exported {url} to the parent window
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Literal

from fastapi import APIRouter, Response

from portraiture.service.access import Owner, ThisService, now
from portraiture.service.signatures import embed_token

TOKEN_SECONDS = 3600
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
router = APIRouter(tags=["embed"])


@router.post("/v1/embed-tokens", status_code=201, summary="A token for a page in a browser")
def post_token(service: ThisService, tenant: Owner) -> dict[str, Any]:
    """With it a person's browser can make avatars in your name for an hour, and read those whose
    ids it knows."""
    expires = now() + TOKEN_SECONDS
    token = embed_token(service.secret, tenant, expires)
    return {"token": token, "expires": expires, "address": f"/embed?token={token}"}


@router.get("/embed", summary="The page", response_class=Response)
def get_page(service: ThisService) -> Response:
    """For an iframe: `token`, and `options`, the query that the GLB's address is to have."""
    return _file("html", service.settings.origins)


@router.get("/embed.{suffix}", include_in_schema=False)
def get_part(suffix: Literal["css", "js"], service: ThisService) -> Response:
    """The page's style and script."""
    return _file(suffix, service.settings.origins)


def _file(suffix: str, origins: tuple[str, ...]) -> Response:
    text = (files("portraiture") / "assets" / "service" / f"embed.{suffix}").read_bytes()
    ancestors = " ".join(("'self'", *origins))
    policy = (
        "default-src 'none'; connect-src 'self'; img-src blob:; media-src blob: mediastream:; "
        f"style-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors {ancestors}"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(text, headers=headers, media_type=TYPES[suffix])
