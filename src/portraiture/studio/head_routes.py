"""The studio's routes for the neural head: making, editing, downloads, and a stream of images."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Response, WebSocket, WebSocketDisconnect
from pydantic import Field

from portraiture.errors import PortraitureError
from portraiture.studio.avatar_routes import Seed, Strict
from portraiture.studio.guard import PROTOCOL
from portraiture.studio.heads import (
    Heads,
    Mix,
    View,
    head_file,
    head_file_kind,
    head_of_photo,
    head_of_seed,
)
from portraiture.studio.routing import Check, new_router
from portraiture.studio.session import Session

MAX_MESSAGE = 1000
UNSUPPORTED_DATA = 1003


class Mixed(Strict):
    """See `heads.Mix`."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    shape: Annotated[float, Field(ge=0.0, le=1.0)]
    look: Annotated[float, Field(ge=0.0, le=1.0)]


class Amounts(Strict):
    """amounts: of attributes, see `edit.run.edit`. mix: with another head, before the edits."""

    amounts: Annotated[dict[str, float], Field(max_length=32)]
    mix: Mixed | None = None


def head_routes(session: Session, check: Check) -> APIRouter:
    """Routes below `api/`. check: see `routing.new_router`."""
    router, heads, jobs = new_router(check), session.heads, session.jobs

    @router.get("/head")
    def about() -> dict[str, Any]:
        return heads.about()

    @router.post("/head/photo", status_code=202)
    def from_photo() -> dict[str, Any]:
        photo = session.photo
        return jobs.start("make", lambda job: head_of_photo(heads, photo, job)).report()

    @router.post("/head/seed", status_code=202)
    def from_seed(asked: Seed) -> dict[str, Any]:
        return jobs.start("make", lambda job: head_of_seed(heads, asked.seed, job)).report()

    @router.patch("/head")
    def edit(asked: Amounts) -> Response:
        mixed = None if asked.mix is None else Mix(**asked.mix.model_dump())
        if not heads.edit(asked.amounts, mixed):
            return Response(status_code=204)
        return Response(json.dumps(heads.about()), media_type="application/json")

    @router.post("/head/export/{kind}", status_code=202)
    def export(kind: str) -> dict[str, Any]:
        chosen = head_file_kind(kind)
        return jobs.start("export", lambda job: head_file(heads, chosen, job)).report()

    @router.websocket("/head/view")
    async def view(socket: WebSocket) -> None:
        await socket.accept(subprotocol=PROTOCOL)
        await _stream(socket, heads)

    return router


class _Views:
    """The views that a page asks for, numbered; of those for small images, and of those for sharp
    ones, the latest waits. asked, shown: numbers of the latest ones."""

    def __init__(self) -> None:
        self.asked = self.shown = 0
        self._waiting: dict[bool, tuple[int, View]] = {}
        self._come = {False: asyncio.Event(), True: asyncio.Event()}

    def ask(self, view: View) -> None:
        self.asked += 1
        self._waiting[view.sharp] = self.asked, view
        self._come[view.sharp].set()

    def is_latest(self, number: int) -> bool:
        return number == self.asked

    async def next(self, *, sharp: bool) -> tuple[int, View]:
        """The number and the view of what is to be rendered."""
        await self._come[sharp].wait()
        self._come[sharp].clear()
        return self._waiting.pop(sharp)


async def _stream(socket: WebSocket, heads: Heads) -> None:
    """An image for the latest view that was asked for: one byte, 1 where it is sharp, and a JPEG;
    or a text with a sentence. Views that a later one overtook get no image, and what moves does not
    wait for what is sharp."""
    views = _Views()
    tasks = [
        asyncio.create_task(work)
        for work in (
            _listen(socket, views),
            _draw(socket, heads, views, sharp=False),
            _draw(socket, heads, views, sharp=True),
        )
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with suppress(WebSocketDisconnect, RuntimeError):
                task.result()
    finally:
        for task in tasks:
            task.cancel()


async def _listen(socket: WebSocket, views: _Views) -> None:
    """Until the page goes, or sends something else."""
    try:
        while True:
            text = await socket.receive_text()
            if len(text) <= MAX_MESSAGE:
                views.ask(View.of(json.loads(text)))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        await socket.close(UNSUPPORTED_DATA)


async def _draw(socket: WebSocket, heads: Heads, views: _Views, *, sharp: bool) -> None:
    """Images of one kind. A small one may come after a later view was asked for, as motion goes
    on; a sharp one may not."""
    while True:
        number, view = await views.next(sharp=sharp)
        if not views.is_latest(number):
            continue
        try:
            data = await asyncio.to_thread(heads.jpeg, view, partial(views.is_latest, number))
        except PortraitureError as error:
            await socket.send_text(json.dumps({"error": str(error)}))
            continue
        if data is None or number < views.shown or (sharp and not views.is_latest(number)):
            continue
        views.shown = number
        await socket.send_bytes(bytes([sharp]) + data)
