"""Pages that the service shows in a browser; they load nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

from fastapi import APIRouter, Response

Suffix = Literal["html", "css", "js"]
TYPES: dict[Suffix, str] = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
router = APIRouter(include_in_schema=False)


@router.get("/docs")
def get_docs() -> Response:
    """The routes, to be read."""
    return page_file("docs", "html")


@router.get("/docs.{suffix}")
def get_docs_part(suffix: Literal["css", "js"]) -> Response:
    """The page's style and script."""
    return page_file("docs", suffix)


def page_file(
    name: Literal["embed", "docs"], suffix: Suffix, origins: tuple[str, ...] = ()
) -> Response:
    """A part of a page. origins: of pages that may show it in a frame, beside the service's own."""
    text = (files("portraiture") / "assets" / "service" / f"{name}.{suffix}").read_bytes()
    ancestors = " ".join(("'self'", *origins))
    policy = (
        "default-src 'none'; connect-src 'self'; img-src blob:; media-src blob: mediastream:; "
        f"style-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors {ancestors}"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(text, headers=headers, media_type=TYPES[suffix])
