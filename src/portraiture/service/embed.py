"""The avatar maker that other people's pages show in an iframe.

POST /v1/embed-tokens (with an API key) ─▶ a token for a person's browser, good for an hour
<iframe src="/embed?token=…"> ─▶ v1.frame.ready … v1.avatar.exported {url} to the parent window
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response

from portraiture.service.access import Owner, ThisService, now
from portraiture.service.pages import page_file
from portraiture.service.signatures import embed_token

TOKEN_SECONDS = 3600
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
    return page_file("embed", "html", service.settings.origins)


@router.get("/embed.{suffix}", include_in_schema=False)
def get_part(suffix: Literal["css", "js"], service: ThisService) -> Response:
    """The page's style and script."""
    return page_file("embed", suffix, service.settings.origins)
