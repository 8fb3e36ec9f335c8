"""What an operator decides about the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ServiceSettings:
    """folder: where photos, results and, without another database, the jobs are kept. database:
    a path of SQLite or a postgresql:// address; by default `folder`/jobs.sqlite. open: whether
    requests without an API key are served, as the tenant "local". max_upload: bytes of a photo.
    max_queued, max_own: jobs that may wait, of all tenants and of one. rate, burst: requests a
    second of one tenant that the service takes in the long run, and at once. photo_hours: how
    long a photo is kept after its job has ended; 0 deletes it with the job's end. job_days: how
    long ended jobs are remembered. wait_seconds: how long a GET waits for an export that has to
    be made first. webhooks: where a tenant is told of ended jobs, by tenant. origins: web pages
    that may embed the service and call it from a browser, such as https://example.com; "*" for
    all."""

    folder: Path
    database: str | None = None
    open: bool = False
    max_upload: int = 20_000_000
    max_queued: int = 200
    max_own: int = 50
    rate: float = 20.0
    burst: int = 60
    photo_hours: float = 0.0
    job_days: float = 7.0
    wait_seconds: float = 25.0
    webhooks: Mapping[str, str] = field(default_factory=dict)
    origins: tuple[str, ...] = ()

    @property
    def jobs(self) -> str:
        """What `jobs.open` opens."""
        return self.database or str(self.folder / "jobs.sqlite")
