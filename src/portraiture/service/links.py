"""Addresses of what the service keeps, and how jobs and results look as JSON."""

from __future__ import annotations

from typing import Any

from portraiture.jobs.table import Job, Result
from portraiture.service.access import LINK_SECONDS, Service, now
from portraiture.service.signatures import sign_link

AVATAR_FILES = ("glb", "vrm", "png", "json")
HEAD_FILES = ("safetensors", "glb", "ply", "mp4", "png")


def address(kind: str, id: str) -> str:
    """Where an avatar or a head is."""
    return f"/v1/{kind}s/{id}"


def job_json(job: Job) -> dict[str, Any]:
    """A job as its owner sees it."""
    shown: dict[str, Any] = {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "attempt": job.attempt,
        "progress": {"stage": job.stage, "done": job.done, "total": job.total},
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "links": {"self": f"/v1/jobs/{job.id}", "events": f"/v1/jobs/{job.id}/events"},
    }
    if job.error is not None:
        shown["error"] = job.error
    if job.state == "done":
        shown["result"] = dict(job.result or {})
    if job.kind == "export" and job.state == "done":
        shown["links"]["file"] = f"{_target(job)}/exports/{job.payload['name']}"
    if target := _target(job):
        shown["links"]["result"] = target
    return shown


def _target(job: Job) -> str | None:
    """What the job makes."""
    match job.kind:
        case "avatar" | "head":
            return address(job.kind, job.id)
        case "edit" | "export":
            return address(str(job.payload.get("kind", "avatar")), str(job.payload["id"]))
        case _:
            return None


def result_json(service: Service, result: Result) -> dict[str, Any]:
    """An avatar or a head, with addresses of its files; those under "public" need no API key for a
    day."""
    at = address(result.kind, result.id)
    suffixes = AVATAR_FILES if result.kind == "avatar" else HEAD_FILES
    expires = now() + LINK_SECONDS
    signed = f"expires={expires}&signature={sign_link(service.secret, result.id, expires)}"
    return {
        "id": result.id,
        "kind": result.kind,
        "version": result.version,
        "created": result.created,
        "links": {"self": at, **{suffix: f"{at}.{suffix}" for suffix in suffixes}},
        "public": {suffix: f"{at}.{suffix}?{signed}" for suffix in suffixes},
    }
