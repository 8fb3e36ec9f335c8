"""Jobs that outlive the processes that ask for them and that do them: the records and the table.

enqueue ─▶ queued ─lease─▶ running ─finish─▶ done, with its result
             ▲                │ lease ran out, or failed for a passing reason: again, three times
             └────────────────┴──▶ failed (unusable input) · dead (three attempts) · cancelled

A lease is a promise for some seconds, renewed by heartbeats; its fence is a number that grows with
every lease of a job, so that a worker that was believed dead cannot finish what another one has
taken over. All times are seconds since 1970, by the database's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

State = Literal["queued", "running", "done", "failed", "dead", "cancelled"]
ENDED: tuple[State, ...] = ("done", "failed", "dead", "cancelled")
ATTEMPTS = 3
"""That a job gets before it is dead."""


@dataclass(frozen=True)
class Job:
    """id: 32 hexadecimal digits from the system's random numbers, not guessable. tenant: whose it
    is. kind: what is to be done, "avatar" say. payload: JSON. attempt: how many leases it has had.
    stage, done, total: how far the running attempt is; total is 0 where unknown. result: JSON of a
    job that is done. error: one sentence of a job that failed or is dead. cancelling: whether it
    was asked to stop while it runs."""

    id: str
    tenant: str
    kind: str
    state: State
    payload: Mapping[str, Any]
    attempt: int = 0
    stage: str = ""
    done: int = 0
    total: int = 0
    result: Mapping[str, Any] | None = None
    error: str | None = None
    cancelling: bool = False
    created: float = 0.0
    started: float | None = None
    finished: float | None = None


@dataclass(frozen=True)
class Lease:
    """A worker's right to one job. fence: the number of this lease among those of the job."""

    job: Job
    worker: str
    fence: int


@dataclass(frozen=True)
class Counts:
    """Jobs by state, and seconds that the oldest queued one has waited."""

    by_state: Mapping[State, int] = field(default_factory=dict)
    oldest_wait: float = 0.0


class JobTable(Protocol):
    """A queue in a database; safe to share between threads, one a process. Every method is one
    transaction that is on the disk when it returns."""

    def enqueue(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        tenant: str,
        key: str | None = None,
        max_queued: int | None = None,
        id: str | None = None,
    ) -> Job:
        """A new job, or the one that this tenant has put under the idempotency key before. Raises
        QueueFullError where `max_queued` jobs of all tenants wait, IdempotencyError where the key
        stands for another kind or payload."""
        ...

    def get(self, id: str, *, tenant: str) -> Job | None:
        """The tenant's job; None where there is none, or it is another tenant's."""
        ...

    def cancel(self, id: str, *, tenant: str) -> Job | None:
        """A queued job is cancelled at once; a running one is asked to stop at its next
        heartbeat; an ended one stays as it is."""
        ...

    def lease(self, worker: str, seconds: float, kinds: tuple[str, ...] = ()) -> Lease | None:
        """The oldest job that waits or whose lease has run out, now running; None where there is
        none. A job that has had `ATTEMPTS` leases becomes dead instead. kinds: only these; empty
        for all."""
        ...

    def heartbeat(
        self, lease: Lease, seconds: float, *, stage: str = "", done: int = 0, total: int = 0
    ) -> Literal["go on", "cancel", "lost"]:
        """Renew the lease and say how far the work is. "lost": another worker has the job, or it
        has ended; nothing that was made may be kept."""
        ...

    def finish(self, lease: Lease, result: Mapping[str, Any]) -> bool:
        """The job is done. False, and nothing changes, where the lease is lost."""
        ...

    def fail(self, lease: Lease, error: str, *, again: bool) -> bool:
        """The attempt failed, with one sentence. again: for a passing reason, so that the job waits
        anew where it has attempts left, and is dead where not; otherwise it has failed for good."""
        ...

    def stop(self, lease: Lease) -> bool:
        """The work was cancelled as asked."""
        ...

    def counts(self) -> Counts:
        """Of all tenants, for metrics and health."""
        ...

    def forget(self, older_than: float) -> int:
        """Delete ended jobs that ended more than so many seconds ago; how many."""
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...
