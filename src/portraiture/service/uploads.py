"""What a client sends: a photo as multipart form or raw body, or JSON, within limits."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from portraiture.errors import PhotoError
from portraiture.media import atomic_path, read_image
from portraiture.service.problems import ProblemError

MAX_JSON = 64_000
"""Bytes of a JSON body."""
MAX_FIELDS = 20
CHUNK = 1 << 16


@dataclass(frozen=True)
class Upload:
    """photo: the file's bytes, None where there is none. fields: everything else."""

    photo: bytes | None = None
    fields: dict[str, Any] = field(default_factory=dict)


async def read_upload(request: Request, max_bytes: int) -> Upload:
    """The body of a request that makes something.

    multipart/form-data with a file "photo" and text fields; an image/* body, its fields in the
    query; or application/json. Raises ProblemError 400, 413 or 415.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _form(request, max_bytes)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return Upload(await read_body(request, max_bytes), dict(request.query_params))
    if kind == "application/json":
        return Upload(None, await read_json(request))
    raise ProblemError(
        415, "Send a photo as multipart/form-data or image/*, or a seed as application/json."
    )


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body. Raises ProblemError 413 as soon as it is too long."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


async def read_json(request: Request, max_bytes: int = MAX_JSON) -> dict[str, Any]:
    """A JSON object. Raises ProblemError 400 or 413."""
    body = await read_body(request, max_bytes)
    try:
        values = json.loads(body)
        json.dumps(values, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise ProblemError(400, "The body is not JSON.") from None
    if not isinstance(values, dict):
        raise ProblemError(400, "The body is not a JSON object.")
    return values


async def keep_photo(photo: bytes, path: Path, limiter: CapacityLimiter) -> None:
    """Write an upload to `path` once it has been decoded: what is not a picture is never kept.
    limiter: of pictures that are decoded at once. Raises PhotoError, in whose sentence the file is
    "The photo", or OutputError."""

    def check_and_keep() -> None:
        with atomic_path(path) as partial:
            partial.write_bytes(photo)
            try:
                read_image(partial)
            except PhotoError as error:
                raise PhotoError(unnamed(str(error), partial)) from None

    await to_thread.run_sync(check_and_keep, limiter=limiter)


def unnamed(sentence: str, path: Path) -> str:
    """A sentence for the client, who knows no path of the service's."""
    return sentence.replace(str(path), "The photo").replace(path.name, "The photo")


async def _form(request: Request, max_bytes: int) -> Upload:
    parser = MultiPartParser(
        request.headers, _limited(request, max_bytes + MAX_JSON),
        max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_JSON,
    )  # fmt: skip
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ProblemError(400, f"The form cannot be read: {error.message.rstrip('.')}.") from None
    except (KeyError, ValueError, UnicodeDecodeError):
        raise ProblemError(400, "The form cannot be read; send multipart/form-data.") from None
    try:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        file = form.get("photo")
        photo = await file.read() if isinstance(file, UploadFile) else None
    finally:
        await form.close()
    if photo is not None and len(photo) > max_bytes:
        raise _too_large(max_bytes)
    return Upload(photo, fields)


async def _limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > max_bytes:
            raise _too_large(max_bytes)
        yield chunk


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(413, f"That is too large; at most {max_bytes / 1e6:g} MB are taken.")
