"""Routes of jobs: how far one is, as JSON and as server-sent events, and to cancel it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from sse_starlette import EventSourceResponse
from starlette.concurrency import run_in_threadpool

from portraiture.jobs.table import ENDED, Job
from portraiture.service.access import Service, Tenant, ThisService
from portraiture.service.ids import Id
from portraiture.service.links import job_json
from portraiture.service.problems import ProblemError

POLL_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 15
router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("/{id}", summary="How far a job is")
def get_job(id: Id, service: ThisService, tenant: Tenant) -> dict[str, Any]:
    """States: queued, running, done, failed (the input cannot be used), dead (three attempts
    failed), cancelled."""
    return job_json(find_job(service, id, tenant))


@router.delete("/{id}", summary="Cancel a job")
def cancel_job(id: Id, service: ThisService, tenant: Tenant) -> dict[str, Any]:
    """A job that waits is cancelled at once, one that runs within a second or two; one that has
    ended stays as it is."""
    job = service.table.cancel(id, tenant=tenant)
    if job is None:
        raise no_job()
    return job_json(job)


@router.get("/{id}/events", summary="A job's progress, as server-sent events")
async def job_events(
    id: Id, request: Request, service: ThisService, tenant: Tenant
) -> EventSourceResponse:
    """An event "progress" whenever something has changed, and at last one named after the state
    that the job has ended in; the data is what GET /v1/jobs/{id} answers."""
    first = await run_in_threadpool(find_job, service, id, tenant)
    events = _events(service, request, first, tenant)
    return EventSourceResponse(events, ping=KEEP_ALIVE_SECONDS)


async def _events(
    service: Service, request: Request, job: Job | None, tenant: str
) -> AsyncIterator[dict[str, str]]:
    shown: Job | None = None
    while job is not None:
        ended = job.state in ENDED
        if job != shown:
            yield {"event": job.state if ended else "progress", "data": json.dumps(job_json(job))}
            shown = job
        if ended or await request.is_disconnected():
            return
        await asyncio.sleep(POLL_SECONDS)
        job = await run_in_threadpool(service.table.get, job.id, tenant=tenant)


def find_job(service: Service, id: str, tenant: str) -> Job:
    """A tenant's job. Raises ProblemError 404."""
    job = service.table.get(id, tenant=tenant)
    if job is None:
        raise no_job()
    return job


def no_job() -> ProblemError:
    """Also for other tenants' jobs, so that nobody learns which ids there are."""
    return ProblemError(404, "There is no job of yours with this id.")
