"""Work that stands in for avatars, and a program of workers that do it until they are killed."""

from __future__ import annotations

from portraiture.jobs.table import JobTable


def lease_all(table: JobTable, worker: str) -> list[str]:
    """Lease and finish until there is nothing left; the ids."""
    found = []
    while held := table.lease(worker, 60):
        assert table.finish(held, {"by": worker})
        found.append(held.job.id)
    return found
