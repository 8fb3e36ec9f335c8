"""Bodies of requests, no longer than allowed."""

from __future__ import annotations

from fastapi import HTTPException, Request

MAX_PHOTO_BYTES = 40_000_000
MAX_AVATAR_BYTES = 30_000_000
TOO_LARGE = "This file is larger than {limit} MB; use a smaller one."


async def body(request: Request, limit: int) -> bytes:
    """The request's body. Raises HTTPException (413) as soon as it is longer than `limit` bytes,
    and for an empty one (422)."""
    sentence = TOO_LARGE.format(limit=limit // 1_000_000)
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise HTTPException(413, sentence)
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > limit:
            raise HTTPException(413, sentence)
    if not received:
        raise HTTPException(422, "This file is empty; choose another one.")
    return bytes(received)
