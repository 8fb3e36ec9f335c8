"""The page's own files, by a fixed table: no name from outside is ever part of a path."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, HTTPException, Response

from portraiture.studio.routing import Check, new_router

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
SHARED = ("glb.js", "shaders.js", "matrices.js", "viewer.js")
"""Files that the report has as well."""


@cache
def page_files() -> dict[str, tuple[str, bytes]]:
    """Media type and content by name; "" is the page."""
    assets = files("portraiture") / "assets"
    found = {entry.name: entry.read_bytes() for entry in (assets / "studio").iterdir()}
    found |= {name: (assets / "report" / name).read_bytes() for name in SHARED}
    typed = {
        name: (MEDIA_TYPES[name[name.rindex(".") :]], data)
        for name, data in found.items()
        if "." in name and name[name.rindex(".") :] in MEDIA_TYPES
    }
    return typed | {"": typed.pop("index.html")}


def page_routes(check: Check) -> APIRouter:
    """The page and its files. check: see `routing.new_router`."""
    router = new_router(check)

    @router.get("/")
    def page() -> Response:
        return _answer("")

    @router.get("/{name}")
    def file(name: str) -> Response:
        return _answer(name)

    return router


def _answer(name: str) -> Response:
    found = page_files().get(name)
    if found is None:
        raise HTTPException(404, "There is no such page.")
    return Response(found[1], media_type=found[0])
