"""The studio's routes for the neural head: making, editing, downloads, and a stream of images."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Response, WebSocket, WebSocketDisconnect
from pydantic import Field

from portraiture.errors import PortraitureError
from portraiture.studio.avatar_routes import Seed, Strict
from portraiture.studio.guard import PROTOCOL
from portraiture.studio.heads import (
    Heads,
    View,
    head_file,
    head_file_kind,
    head_of_photo,
    head_of_seed,
)
from portraiture.studio.routing import new_router
from portraiture.studio.session import Session

MAX_MESSAGE = 1000
UNSUPPORTED_DATA = 1003


class Amounts(Strict):
    """amounts: of attributes, see `edit.run.edit`."""

    amounts: Annotated[dict[str, float], Field(max_length=32)]


def head_routes(session: Session) -> APIRouter:
    """Routes below `api/`."""
    router, heads, jobs = new_router(), session.heads, session.jobs

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
        if not heads.edit(asked.amounts):
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


async def _stream(socket: WebSocket, heads: Heads) -> None:
    """An image for the latest view that was asked for: one byte, 1 where it is sharp, and a JPEG;
    or a text with a sentence. Views that a later one overtook get no image."""
    latest: list[View] = []
    come = asyncio.Event()

    async def listen() -> None:
        try:
            while True:
                text = await socket.receive_text()
                if len(text) <= MAX_MESSAGE:
                    latest[:] = [View.of(json.loads(text))]
                    come.set()
        except WebSocketDisconnect:
            pass
        except (ValueError, TypeError, KeyError):
            await socket.close(UNSUPPORTED_DATA)
        latest.clear()
        come.set()

    listener = asyncio.create_task(listen())
    try:
        while True:
            await come.wait()
            come.clear()
            if not latest:
                return
            wanted = latest.pop()
            try:
                data = await asyncio.to_thread(heads.jpeg, wanted, lambda: not latest)
            except PortraitureError as error:
                await socket.send_text(json.dumps({"error": str(error)}))
                continue
            if data is not None:
                await socket.send_bytes(bytes([wanted.sharp]) + data)
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        listener.cancel()
