"""What avatars and heads have in common: to be asked for, listed, looked at and deleted."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from typing import Annotated, Any, Literal

from fastapi import Header
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from portraiture.errors import QueueFullError
from portraiture.jobs.table import Job
from portraiture.service.access import Service
from portraiture.service.links import job_json, result_json
from portraiture.service.problems import ProblemError
from portraiture.service.uploads import Upload, keep_photo

Kind = Literal["avatar", "head"]
MAX_SEED = 2**32 - 1
MAX_KEY = 200
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=MAX_KEY,
        description="The same key gives the same job again, so that a request can be repeated.",
    ),
]


async def take_on(
    service: Service, tenant: str, kind: Kind, upload: Upload, options: dict[str, Any],
    key: str | None,
) -> JSONResponse:  # fmt: skip
    """Keep the photo, queue the job and answer 202 with its address.

    options: what the job's payload says beside photo or seed. Raises ProblemError 422, PhotoError,
    QueueFullError, IdempotencyError or OutputError.
    """
    payload = {**options, **_source(upload)}
    id = secrets.token_hex(16)
    if upload.photo is not None:
        await run_in_threadpool(_check_room, service)
        await keep_photo(upload.photo, service.store.photo(id), service.decoding)
    try:
        job = await run_in_threadpool(_enqueue, service, tenant, kind, payload, id, key)
    except BaseException:
        _drop_photo(service, id)
        raise
    if job.id != id:
        _drop_photo(service, id)
    return accepted(job)


def _enqueue(
    service: Service, tenant: str, kind: Kind, payload: dict[str, Any], id: str, key: str | None
) -> Job:
    return service.table.enqueue(
        kind, payload, tenant=tenant, key=key and f"client:{key}", id=id,
        max_queued=service.settings.max_queued, max_own=service.settings.max_own,
    )  # fmt: skip


def _check_room(service: Service) -> None:
    """Before a photo is decoded for nothing. Raises QueueFullError."""
    if service.table.counts().by_state.get("queued", 0) >= service.settings.max_queued:
        raise QueueFullError("Too many jobs wait already; try again later.")


def _drop_photo(service: Service, id: str) -> None:
    with suppress(OSError):
        service.store.photo(id).unlink(missing_ok=True)


def accepted(job: Job) -> JSONResponse:
    """202, with the job and where to follow it."""
    return JSONResponse(job_json(job), 202, {"Location": f"/v1/jobs/{job.id}"})


def _source(upload: Upload) -> dict[str, Any]:
    """The photo's digest or the seed. Raises ProblemError 422."""
    seed = upload.fields.get("seed")
    if upload.photo is not None and seed is not None:
        raise ProblemError(422, "Send a photo or a seed, not both.")
    if upload.photo is not None:
        if not upload.photo:
            raise ProblemError(422, "The photo is empty.")
        return {"photo": digest(upload.photo)}
    number = whole(seed, "seed", 0, MAX_SEED)
    if number is None:
        raise ProblemError(422, 'Send a photo as the form\'s field "photo", or a seed.')
    return {"seed": number}


def whole(value: Any, name: str, low: int, high: int) -> int | None:
    """A whole number as text or JSON; None for none. Raises ProblemError 422."""
    if value is None or value == "":
        return None
    text = str(value)
    good = not isinstance(value, bool) and text.isascii() and text.isdecimal() and len(text) < 16
    if not (good and low <= int(text) <= high):
        raise ProblemError(422, f"{name}: give a whole number from {low} to {high}.")
    return int(text)


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def face_of(upload: Upload) -> dict[str, int]:
    """Which face of a photo is meant, where it says so."""
    face = whole(upload.fields.get("face"), "face", 1, 20)
    return {} if face is None else {"face": face}


def check_kind(kind: str, wanted: Kind) -> None:
    """Raises ProblemError 404 where a head was asked for as an avatar, or the other way."""
    if kind != wanted:
        raise ProblemError(404, f"There is no {wanted} of yours with this id.")


def list_results(
    service: Service, tenant: str, kind: Kind, limit: int, after: str | None
) -> dict[str, Any]:
    """A page of a tenant's avatars or heads, the newest first."""
    found = service.table.results(tenant=tenant, kind=kind, limit=limit, after=after)
    return {f"{kind}s": [result_json(service, result) for result in found]}


def remove_result(service: Service, tenant: str, id: str, kind: Kind) -> None:
    """Delete a result and its files, or cancel the job that makes it. Raises ProblemError 404."""
    job = service.table.get(id, tenant=tenant)
    result = service.table.result(id, tenant=tenant)
    if result is not None:
        check_kind(result.kind, kind)
    elif job is None or job.kind != kind or job.state not in ("queued", "running"):
        raise ProblemError(404, f"There is no {kind} of yours with this id.")
    if job is not None:
        service.table.cancel(id, tenant=tenant)
    if (gone := service.table.delete_result(id, tenant=tenant)) is not None:
        service.store.remove(gone.folder)
    _drop_photo(service, id)
