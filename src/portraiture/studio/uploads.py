"""Bodies of requests, no longer than allowed."""

from __future__ import annotations

from fastapi import HTTPException, Request
from starlette.types import Message, Receive

MAX_PHOTO_BYTES = 40_000_000
MAX_AVATAR_BYTES = 30_000_000
MAX_JSON_BYTES = 1_000_000
TOO_LARGE = "This is larger than {limit} MB; use a smaller file."


async def body(request: Request, limit: int) -> bytes:
    """The request's body. Raises HTTPException (413) as soon as it is longer than `limit` bytes,
    and for an empty one (422)."""
    data = await Request(request.scope, bounded(request, limit)).body()
    if not data:
        raise HTTPException(422, "This file is empty; choose another one.")
    return data


def bounded(request: Request, limit: int) -> Receive:
    """What the request receives, as long as that is no more than `limit` bytes. Raises
    HTTPException (413), here where the length is declared."""
    too_large = HTTPException(413, TOO_LARGE.format(limit=limit // 1_000_000))
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise too_large
        return message

    return receive
