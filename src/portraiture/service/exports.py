"""Files that are made when they are first asked for, and kept with their version."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from portraiture.jobs.table import ENDED, Job, Result
from portraiture.service.access import Service
from portraiture.service.links import job_json
from portraiture.service.problems import ProblemError

MEDIA_TYPES: Mapping[str, str] = {
    "glb": "model/gltf-binary",
    "vrm": "model/gltf-binary",
    "png": "image/png",
    "json": "application/json",
    "ply": "application/octet-stream",
    "mp4": "video/mp4",
    "safetensors": "application/octet-stream",
}
POLL_SECONDS = 0.15

TRIES = 3
"""Jobs for one file that may fail; then it is refused until they are forgotten."""
MOST_JOBS = 100
MOST_FILES = 60
"""That are kept of one version."""


class _File(FileResponse):
    """Read in few pieces, each of which is a trip to another thread."""

    chunk_size = 1 << 20


def export_job(service: Service, result: Result, suffix: str, key: str, asked: Any) -> Job:
    """The job that makes one file of a version; asked for again while it runs, it is the same job.
    A cancelled job, or one whose file is gone, is followed by another. key: stands for the options
    `asked`. Raises QueueFullError, ProblemError 422 or 503."""
    name, failed = f"{key}.{suffix}", 0
    payload = {"id": result.id, "kind": result.kind, "folder": result.folder, "name": name}
    for number in range(MOST_JOBS):
        job = service.table.enqueue(
            "export", {**payload, "suffix": suffix, "asked": asked}, tenant=result.tenant,
            key=f"export:{result.folder}:{name}:{number}", urgent=True,
            max_queued=service.settings.max_queued, max_own=service.settings.max_own,
        )  # fmt: skip
        there = service.store.export_path(result.folder, name).is_file()
        if job.state not in ENDED or (job.state == "done" and there):
            return job
        failed += job.state in ("failed", "dead")
        if failed == TRIES:
            raise _failed(job)
    raise ProblemError(503, "This file cannot be made now.")


def _failed(job: Job) -> ProblemError:
    """Of a job that has ended without a file: the input's fault, or ours."""
    if job.state == "failed":
        return ProblemError(422, job.error or "This file cannot be made.")
    return ProblemError(503, job.error or "This file cannot be made now.", {"Retry-After": "60"})


async def made_file(
    request: Request, service: Service, result: Result, suffix: str, key: str, asked: Any
) -> Response:
    """The file, once it has been made; 202 with the job where that takes longer than a client
    should wait."""
    path = service.store.export_path(result.folder, f"{key}.{suffix}")
    if not path.is_file():
        job = await run_in_threadpool(export_job, service, result, suffix, key, asked)
        job = await _ended(service, job)
        if job.state not in ENDED:
            where = {"Location": f"/v1/jobs/{job.id}", "Retry-After": "5"}
            return JSONResponse(job_json(job), 202, where)
        if job.state != "done":
            raise _failed(job)
    return file_response(request, path, result, suffix)


def file_response(request: Request, path: Path, result: Result, suffix: str) -> Response:
    """A file of a result, or 304 where the client has it. Raises ProblemError 404 where it was
    deleted meanwhile."""
    if not path.is_file():
        raise ProblemError(404, "There is nothing of yours with this id.")
    tag = f'"{result.folder}-{path.stem}"'
    headers = {
        "Cache-Control": "private, no-cache",
        "ETag": tag,
        "X-Version": str(result.version),
        "X-Content-Type-Options": "nosniff",
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    return _File(
        path, headers=headers, media_type=MEDIA_TYPES[suffix], filename=f"{result.id}.{suffix}"
    )


async def _ended(service: Service, job: Job) -> Job:
    """The job once it has ended, or after the time that a client waits."""
    rounds = int(service.settings.wait_seconds / POLL_SECONDS)
    for _ in range(rounds):
        if job.state in ENDED:
            break
        await asyncio.sleep(POLL_SECONDS)
        found = await run_in_threadpool(service.table.get, job.id, tenant=job.tenant)
        if found is None:
            break
        job = found
    return job
