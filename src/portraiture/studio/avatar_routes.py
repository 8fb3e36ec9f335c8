"""The studio's routes for the avatar: making, editing, previews and downloads."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from portraiture.studio import make
from portraiture.studio.controls import panel
from portraiture.studio.pictures import picture
from portraiture.studio.previews import moved, tints
from portraiture.studio.routing import Check, new_router
from portraiture.studio.session import Session, SupersededError
from portraiture.studio.uploads import MAX_AVATAR_BYTES, MAX_PHOTO_BYTES, body

BINARY = "application/octet-stream"
Digests = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=256)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Seed(Strict):
    seed: int = Field(ge=0, le=make.MAX_SEED)


class Have(Strict):
    """have: digests of the parts that the page has."""

    have: Digests = []


class Parts(Have):
    """revision: of the change that asks; None: the avatar as it is, whatever comes."""

    revision: int | None = None


class State(Strict):
    revision: int


class Edit(Strict):
    """changes: see `studio.changes`. gesture: edits of one gesture are undone together."""

    changes: dict[str, Any]
    gesture: str = Field("", max_length=64)


class Randomise(Strict):
    group: str = Field(max_length=20)
    seed: int = Field(ge=0, le=make.MAX_SEED)


def avatar_routes(session: Session, check: Check) -> APIRouter:
    """Routes below `api/`. check: see `routing.new_router`."""
    router = new_router(check)
    _making(router, session)
    _editing(router, session)
    _previews(router, session)
    return router


def _making(router: APIRouter, session: Session) -> None:
    @router.get("/panel")
    def controls() -> dict[str, Any]:
        return panel() | {"has_avatar": session.history is not None, "seed": make.random_seed()}

    @router.post("/avatar/photo", status_code=202)
    async def from_photo(request: Request) -> dict[str, Any]:
        data = await body(request, MAX_PHOTO_BYTES)
        return session.jobs.start("make", lambda job: make.from_photo(session, data, job)).report()

    @router.post("/avatar/seed", status_code=202)
    def from_seed(asked: Seed) -> dict[str, Any]:
        seed = asked.seed
        return session.jobs.start("make", lambda job: make.from_seed(session, seed, job)).report()

    @router.post("/avatar/file", status_code=202)
    async def from_file(request: Request) -> dict[str, Any]:
        data = await body(request, MAX_AVATAR_BYTES)
        return session.jobs.start("make", lambda job: make.from_json(session, data, job)).report()

    @router.post("/avatar/export/{kind}", status_code=202)
    def export(kind: str) -> dict[str, Any]:
        chosen = make.avatar_file_kind(kind)
        return session.jobs.start(
            "export", lambda job: make.avatar_file(session, chosen, job)
        ).report()


def _editing(router: APIRouter, session: Session) -> None:
    """Changes answer at once with the number of the state after them; what it looks like is asked
    for by that number, and not answered (204) where a later change has come."""

    @router.patch("/avatar")
    def edit(asked: Edit) -> State:
        return State(revision=session.edit(asked.changes, asked.gesture))

    @router.post("/avatar/randomise")
    def randomise(asked: Randomise) -> State:
        changes = make.randomised(session.avatar, asked.group, asked.seed)
        return State(revision=session.edit(changes))

    @router.post("/avatar/undo")
    def undo() -> State:
        return State(revision=session.undo())

    @router.post("/avatar/redo")
    def redo() -> State:
        return State(revision=session.redo())

    @router.post("/avatar/parts")
    def parts(asked: Parts) -> Response:
        try:
            data = session.bundle(asked.have, revision=asked.revision)
        except SupersededError:
            return Response(status_code=204)
        return Response(data, media_type=BINARY)

    @router.post("/avatar/original")
    def original(asked: Have) -> Response:
        return Response(session.original_bundle(asked.have), media_type=BINARY)


def _previews(router: APIRouter, session: Session) -> None:
    @router.get("/avatar/moved/{name}")
    def along(name: str) -> Response:
        return Response(moved(session.avatar, name), media_type=BINARY)

    @router.get("/avatar/tints/{name}")
    def colours(name: str) -> dict[str, Any]:
        return tints(session.avatar, name)

    @router.get("/avatar/photo")
    def sitter() -> Response:
        data = session.sitter()
        return Response(data, media_type="image/jpeg", status_code=200 if data else 204)

    @router.get("/pictures/{kind}/{choice}")
    def small_picture(kind: str, choice: str) -> Response:
        return Response(
            picture(kind, choice), media_type="image/jpeg",
            headers={"Cache-Control": "private, max-age=86400"},
        )  # fmt: skip
