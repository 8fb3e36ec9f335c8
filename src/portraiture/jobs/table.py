"""Jobs that outlive the processes that ask for them and that do them: the records and the table.

enqueue ─▶ queued ─lease─▶ running ─finish─▶ done, with its result
             ▲                │ lease ran out, or failed for a passing reason: again, three times
             └────────────────┴──▶ failed (unusable input) · dead (three attempts) · cancelled

What a job made is a result: a folder, named in the transaction that ends the job. API keys say
which tenant asks.

A lease is a promise for some seconds, renewed by heartbeats; its fence is a number that grows with
every lease of a job, so that a worker that was believed dead cannot finish what another one has
taken over. All times are seconds since 1970, by the database's clock. Every method is one
transaction, on the disk when it returns, and raises StorageError where the database fails.
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


@dataclass(frozen=True)
class Result:
    """What a job made and keeps, until it is deleted. id, tenant, kind: the job's. folder: name of
    its folder among the results. version: 1, and one more with every revision."""

    id: str
    tenant: str
    kind: str
    folder: str
    version: int
    created: float


@dataclass(frozen=True)
class InUse:
    """folders: that results name. jobs: ids of those that run, which may have made others. waiting:
    ids of those that wait."""

    folders: frozenset[str]
    jobs: frozenset[str]
    waiting: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key; itself it is not kept. id: to revoke it by."""

    id: str
    tenant: str
    name: str
    created: float
    revoked: float | None = None


class ResultTable(Protocol):
    """What finished jobs made. Another tenant's results are as good as absent."""

    def result(self, id: str, *, tenant: str) -> Result | None:
        """The tenant's result; None where there is none."""
        ...

    def results(
        self, *, tenant: str, kind: str | None = None, limit: int = 100, after: str | None = None
    ) -> list[Result]:
        """The tenant's results, newest first. after: id of the last one of the page before."""
        ...

    def revise_result(
        self, id: str, *, tenant: str, version: int, folder: str | None = None
    ) -> Result | None:
        """The result as `version` + 1, in another folder where one is given; None, and nothing
        changes, where `version` is not its version any more or there is no such result."""
        ...

    def tenant_of_result(self, id: str) -> str | None:
        """Whose result it is, for links that are signed; None where there is none."""
        ...

    def delete_result(self, id: str, *, tenant: str) -> Result | None:
        """Delete it; what it was, so that its folder can be removed, or None."""
        ...

    def in_use(self) -> InUse:
        """What a sweep of the results' folders must leave, of all tenants, at one moment."""
        ...


class KeyTable(Protocol):
    """API keys, of which only hashes are kept."""

    def add_key(self, tenant: str, *, name: str = "") -> str:
        """A new key of 256 random bits, which is shown this once."""
        ...

    def tenant_of(self, key: str) -> str | None:
        """Whose key it is; None for one that is unknown or revoked."""
        ...

    def keys(self, *, tenant: str) -> list[ApiKey]:
        """The tenant's keys, oldest first, revoked ones too."""
        ...

    def revoke(self, id: str, *, tenant: str) -> bool:
        """The key of this `ApiKey.id` stands for nobody from now on; False where there is none."""
        ...


class JobTable(ResultTable, KeyTable, Protocol):
    """A queue in a database, with its results and keys. Safe to share between threads; every
    process opens its own."""

    def enqueue(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        tenant: str,
        key: str | None = None,
        max_queued: int | None = None,
        max_own: int | None = None,
        id: str | None = None,
        subject: str | None = None,
        urgent: bool = False,
    ) -> Job:
        """A new job, or the one that this tenant has put under the idempotency key before. id: 32
        hexadecimal digits, by default random. subject: jobs of one subject are done one after the
        other, in their order. urgent: done before those that are not. Raises QueueFullError where
        `max_queued` jobs of all tenants wait, or `max_own` of this one, IdempotencyError where the
        key stands for another kind or payload, JobError where the id is taken."""
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

    def finish(
        self,
        lease: Lease,
        result: Mapping[str, Any],
        *,
        folder: str | None = None,
        revises: Result | None = None,
    ) -> bool:
        """The job is done. False, and nothing changes, where the lease is lost. folder: what it
        made, recorded as a `Result` with the job's id, or as the next version of the one that it
        revises. Raises RevisedError, and nothing changes, where that one has been changed or
        deleted meanwhile."""
        ...

    def fail(self, lease: Lease, error: str, *, again: bool, delay: float = 0.0) -> bool:
        """The attempt failed, with one sentence. again: for a passing reason, so that the job waits
        anew, at least `delay` seconds, where it has attempts left, and is dead where not; otherwise
        it has failed for good."""
        ...

    def give_back(self, lease: Lease, *, delay: float = 0.0) -> bool:
        """The worker ends without having done the job: it waits anew, at least `delay` seconds, and
        no attempt is counted."""
        ...

    def release(self, worker: str, *, free: bool = False) -> int:
        """A worker is known to have ended: its jobs wait anew at once; how many. free: the attempt
        is not counted."""
        ...

    def stop(self, lease: Lease) -> bool:
        """The work was cancelled as asked."""
        ...

    def counts(self) -> Counts:
        """Of all tenants, for metrics and health."""
        ...

    def ended(self, *, within: float) -> list[Job]:
        """Jobs of all tenants that ended in the last `within` seconds, the oldest first."""
        ...

    def forget(self, older_than: float) -> int:
        """Delete jobs that ended at least so many seconds ago; how many."""
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...
