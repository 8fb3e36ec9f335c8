"""A service in a temporary folder, a worker that does its jobs at once, and two tenants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from portraiture.jobs.table import Job
from portraiture.jobs.worker import Made
from portraiture.service.access import Service
from portraiture.service.app import make_app
from portraiture.service.settings import ServiceSettings


@dataclass
class Served:
    """A running service. alice, bob: headers of two tenants."""

    client: TestClient
    service: Service
    alice: dict[str, str]
    bob: dict[str, str]

    def work(self) -> list[Job]:
        """Do every job that waits, as a worker would but without making anything real."""
        done = []
        while lease := self.service.table.lease("worker", 60.0):
            made = fake(self.service, lease.job)
            name = made.folder and made.folder.name
            self.service.table.finish(lease, made.result, folder=name, revises=made.revises)
            done.append(lease.job)
        return done

    def avatar(self, headers: dict[str, str], seed: int = 1) -> str:
        """The id of a finished avatar."""
        job = self.client.post("/v1/avatars", json={"seed": seed}, headers=headers).json()
        self.work()
        return job["id"]


def fake(service: Service, job: Job) -> Made:
    """Files with the job's words in them."""
    store = service.store
    if job.kind == "export":
        path = store.export_path(job.payload["folder"], job.payload["name"])
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{job.payload['name']} of {job.payload['id']}")
        return Made({"bytes": path.stat().st_size})
    if job.kind == "webhook":
        return Made({})
    folder = f"{job.id}-{job.attempt}"
    store.version(folder).mkdir()
    for name in ("avatar.glb", "avatar.vrm", "avatar.json", "front.png", "head.safetensors"):
        store.file(folder, name).write_text(f"{name} of {job.id}")
    if job.kind == "edit":
        old = service.table.result(job.payload["id"], tenant=job.tenant)
        return Made({}, store.version(folder), old)
    return Made({}, store.version(folder))


def make_served(folder: Path, **settings: Any) -> Served:
    """Of other settings than the fixture's."""
    app = make_app(ServiceSettings(folder, **settings))
    service: Service = app.state.service
    alice, bob = ({"X-API-Key": service.table.add_key(name)} for name in ("alice", "bob"))
    return Served(
        TestClient(app, "http://127.0.0.1", raise_server_exceptions=False), service, alice, bob
    )
