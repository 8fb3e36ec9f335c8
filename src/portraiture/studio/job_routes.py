"""The studio's routes for long work: progress as server-sent events, cancelling, what was made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import StreamingResponse

from portraiture.studio.jobs import Job
from portraiture.studio.routing import Check, new_router
from portraiture.studio.session import Session

POLL_S = 0.1
PING_S = 10.0
GONE = "This work is no longer known; start it again."


def job_routes(session: Session, check: Check) -> APIRouter:
    """Routes below `api/`. check: see `routing.new_router`."""
    router = new_router(check)

    def known(key: str) -> Job:
        job = session.jobs.get(key)
        if job is None:
            raise HTTPException(404, GONE)
        return job

    @router.get("/jobs/{key}/events")
    def events(key: str) -> StreamingResponse:
        return StreamingResponse(_events(known(key)), media_type="text/event-stream")

    @router.delete("/jobs/{key}")
    def cancel(key: str) -> dict[str, Any]:
        job = known(key)
        job.cancel()
        return job.report()

    @router.get("/jobs/{key}/file")
    def file(key: str) -> Response:
        made = known(key).made
        if made is None:
            raise HTTPException(404, GONE)
        named = {"Content-Disposition": f'attachment; filename="{made.name}"'}
        return Response(made.data, media_type=made.media_type, headers=named)

    return router


async def _events(job: Job) -> AsyncIterator[str]:
    """A report whenever it has changed, the last one when the work has ended."""
    last, quiet = "", 0.0
    while True:
        report = job.report()
        text = json.dumps(report)
        if text != last:
            yield f"data: {text}\n\n"
            last, quiet = text, 0.0
        if report["state"] != "running":
            return
        await asyncio.sleep(POLL_S)
        quiet += POLL_S
        if quiet >= PING_S:
            yield ": still running\n\n"
            quiet = 0.0
