"""The table of jobs in SQL; see `jobs.database` for what differs between databases."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal

from portraiture.errors import IdempotencyError, JobError, QueueFullError
from portraiture.jobs.database import Row, Run, plain
from portraiture.jobs.sql_results import SqlResults
from portraiture.jobs.table import ATTEMPTS, Counts, Job, Lease, Result, State

ID = re.compile(r"[0-9a-f]{32}")
BROKEN_OFF = "The work broke off three times; try again, or with another photo."
"""What a job says that ends its worker every time."""

# SQLite uses the index of open jobs only where its condition is repeated word for word.
SAME_KEY = "SELECT * FROM portraiture_jobs WHERE tenant = :tenant AND key = :key"
WAITING = """SELECT count(*) AS number FROM portraiture_jobs
    WHERE state IN ('queued', 'running') AND state = 'queued' AND due <= {now}"""
WAITING_OF = f"{WAITING} AND tenant = :tenant"
ENQUEUE = """INSERT INTO portraiture_jobs
    (id, tenant, kind, state, payload, key, subject, urgent, due, created)
    VALUES (:id, :tenant, :kind, 'queued', :payload, :key, :subject, :urgent, {now}, {now})
    ON CONFLICT DO NOTHING RETURNING *"""
GET = "SELECT * FROM portraiture_jobs WHERE id = :id AND tenant = :tenant"
CANCEL = """UPDATE portraiture_jobs SET
    cancelling = CASE WHEN state = 'running' THEN 1 ELSE cancelling END,
    finished = CASE WHEN state = 'queued' THEN {now} ELSE finished END,
    state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END
    WHERE id = :id AND tenant = :tenant RETURNING *"""
DUE = """SELECT * FROM portraiture_jobs WHERE state IN ('queued', 'running') AND due <= {now}
    AND (:every = 1 OR kind IN (KINDS)) AND (subject IS NULL OR NOT EXISTS
    (SELECT 1 FROM portraiture_jobs AS earlier WHERE earlier.state IN ('queued', 'running')
    AND earlier.subject = portraiture_jobs.subject AND earlier.seq < portraiture_jobs.seq))
    ORDER BY urgent DESC, seq LIMIT 1 {skip}"""
TAKE = """UPDATE portraiture_jobs SET state = 'running', attempt = attempt + 1, fence = fence + 1,
    worker = :worker, due = {now} + :seconds, stage = '', done = 0, total = 0, started = {now}
    WHERE seq = :seq RETURNING *"""
HEARTBEAT = """UPDATE portraiture_jobs SET due = {now} + :seconds, stage = :stage, done = :done,
    total = :total WHERE id = :id AND fence = :fence AND state = 'running' RETURNING cancelling"""
HELD = """SELECT * FROM portraiture_jobs WHERE id = :id AND fence = :fence AND state = 'running'
    {lock}"""
END = """UPDATE portraiture_jobs SET state = :state, result = :result, error = :error,
    finished = {now} WHERE seq = :seq"""
AGAIN = """UPDATE portraiture_jobs SET state = 'queued', due = {now} + :delay,
    attempt = attempt - :free WHERE seq = :seq"""
RELEASE = """UPDATE portraiture_jobs SET state = 'queued', due = {now}, attempt = attempt - :free
    WHERE state IN ('queued', 'running') AND state = 'running' AND worker = :worker RETURNING id"""
BY_STATE = "SELECT state, count(*) AS number FROM portraiture_jobs GROUP BY state"
OLDEST = """SELECT {now} - created AS wait FROM portraiture_jobs
    WHERE state IN ('queued', 'running') AND state = 'queued' AND due <= {now}
    ORDER BY seq LIMIT 1"""
ENDED_LATELY = """SELECT * FROM portraiture_jobs WHERE finished IS NOT NULL
    AND finished >= {now} - :seconds ORDER BY finished"""
FORGET = """DELETE FROM portraiture_jobs WHERE finished IS NOT NULL AND finished <= {now} - :seconds
    RETURNING id"""


class SqlTable(SqlResults):
    """The `JobTable` of a `Database`."""

    def enqueue(
        self, kind: str, payload: Mapping[str, Any], *, tenant: str, key: str | None = None,
        max_queued: int | None = None, max_own: int | None = None, id: str | None = None,
        subject: str | None = None, urgent: bool = False,
    ) -> Job:  # fmt: skip
        id = secrets.token_hex(16) if id is None else id
        if not ID.fullmatch(id):
            raise ValueError("a job's id is 32 hexadecimal digits")
        values = {
            "id": id, "tenant": tenant, "kind": kind, "payload": _json(payload), "key": _hash(key),
            "subject": subject, "urgent": int(urgent),
        }  # fmt: skip
        with self._transaction() as run:
            if earlier := self._earlier(run, values):
                return earlier
            self._check_room(run, values, max_queued, max_own)
            if made := run(ENQUEUE, values):
                return _job(made[0])
            if earlier := self._earlier(run, values):
                return earlier
            raise JobError("There is a job with this id already; give another id.")

    def _check_room(
        self, run: Run, values: Row, max_queued: int | None, max_own: int | None
    ) -> None:
        """Raises QueueFullError."""
        if max_queued is None and max_own is None:
            return
        self._serialise(run)
        if max_queued is not None and run(WAITING)[0]["number"] >= max_queued:
            raise QueueFullError("Too many jobs wait already; try again later.")
        if max_own is not None and run(WAITING_OF, values)[0]["number"] >= max_own:
            raise QueueFullError("Too many jobs of yours wait already; try again later.")

    def _earlier(self, run: Run, values: Row) -> Job | None:
        """The job under the same idempotency key."""
        if values["key"] is None or not (rows := run(SAME_KEY, values)):
            return None
        if any(rows[0][name] != values[name] for name in ("kind", "payload")):
            raise IdempotencyError(
                "This idempotency key was used for another request; send a new key."
            )
        return _job(rows[0])

    def get(self, id: str, *, tenant: str) -> Job | None:
        with self._reading() as run:
            rows = run(GET, {"id": plain(id), "tenant": plain(tenant)})
        return _job(rows[0]) if rows else None

    def cancel(self, id: str, *, tenant: str) -> Job | None:
        with self._transaction() as run:
            rows = run(CANCEL, {"id": plain(id), "tenant": plain(tenant)})
        return _job(rows[0]) if rows else None

    def lease(self, worker: str, seconds: float, kinds: tuple[str, ...] = ()) -> Lease | None:
        named = {f"kind{number}": kind for number, kind in enumerate(kinds)}
        due = DUE.replace("KINDS", ", ".join(f":{name}" for name in named) or "''")
        with self._transaction() as run:
            while rows := run(due, {**named, "every": int(not kinds)}):
                row = rows[0]
                if row["cancelling"]:
                    _end(run, row, "cancelled")
                elif row["attempt"] >= ATTEMPTS:
                    _end(run, row, "dead", error=BROKEN_OFF)
                else:
                    values = {"seq": row["seq"], "worker": worker, "seconds": float(seconds)}
                    row = run(TAKE, values)[0]
                    return Lease(_job(row), worker, row["fence"])
        return None

    def heartbeat(
        self, lease: Lease, seconds: float, *, stage: str = "", done: int = 0, total: int = 0
    ) -> Literal["go on", "cancel", "lost"]:
        progress = {"stage": plain(stage), "done": int(done), "total": int(total)}
        with self._transaction() as run:
            rows = run(HEARTBEAT, {**_of(lease), **progress, "seconds": float(seconds)})
        return "lost" if not rows else "cancel" if rows[0]["cancelling"] else "go on"

    def finish(
        self, lease: Lease, result: Mapping[str, Any], *, folder: str | None = None,
        revises: Result | None = None,
    ) -> bool:  # fmt: skip
        text = _json(result)
        with self._transaction() as run:
            if not (rows := run(HELD, _of(lease))):
                return False
            if rows[0]["cancelling"]:
                _end(run, rows[0], "cancelled")
                return False
            _end(run, rows[0], "done", result=text)
            if folder is not None:
                self._record(run, lease.job, folder, revises)
        return True

    def fail(self, lease: Lease, error: str, *, again: bool, delay: float = 0.0) -> bool:
        with self._transaction() as run:
            if not (rows := run(HELD, _of(lease))):
                return False
            if not again:
                _end(run, rows[0], "failed", error=error)
            elif rows[0]["attempt"] >= ATTEMPTS and not rows[0]["cancelling"]:
                _end(run, rows[0], "dead", error=error)
            else:
                _again(run, rows[0], delay=delay)
        return True

    def give_back(self, lease: Lease, *, delay: float = 0.0) -> bool:
        with self._transaction() as run:
            if not (rows := run(HELD, _of(lease))):
                return False
            _again(run, rows[0], delay=delay, free=True)
        return True

    def release(self, worker: str, *, free: bool = False) -> int:
        with self._transaction() as run:
            return len(run(RELEASE, {"worker": worker, "free": int(free)}))

    def stop(self, lease: Lease) -> bool:
        with self._transaction() as run:
            if not (rows := run(HELD, _of(lease))):
                return False
            _end(run, rows[0], "cancelled")
        return True

    def counts(self) -> Counts:
        with self._reading() as run:
            by_state = {row["state"]: row["number"] for row in run(BY_STATE)}
            oldest = run(OLDEST)
        return Counts(by_state, max(0.0, oldest[0]["wait"]) if oldest else 0.0)

    def ended(self, *, within: float) -> list[Job]:
        with self._reading() as run:
            return [_job(row) for row in run(ENDED_LATELY, {"seconds": float(within)})]

    def forget(self, older_than: float) -> int:
        with self._transaction() as run:
            return len(run(FORGET, {"seconds": float(older_than)}))


def _end(
    run: Run, row: Row, state: State, *, result: str | None = None, error: str | None = None
) -> None:
    error = None if error is None else plain(error)
    run(END, {"seq": row["seq"], "state": state, "result": result, "error": error})


def _again(run: Run, row: Row, *, delay: float = 0.0, free: bool = False) -> None:
    """Let the job wait anew, unless it was asked to stop."""
    if row["cancelling"]:
        _end(run, row, "cancelled")
    else:
        run(AGAIN, {"seq": row["seq"], "delay": float(delay), "free": int(free)})


def _of(lease: Lease) -> Row:
    return {"id": lease.job.id, "fence": lease.fence}


def _json(value: Mapping[str, Any]) -> str:
    """The same text for equal values. Raises ValueError for what JSON has not."""
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))


def _hash(key: str | None) -> str | None:
    return None if key is None else sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _job(row: Row) -> Job:
    result = row["result"]
    return Job(
        id=row["id"], tenant=row["tenant"], kind=row["kind"], state=row["state"],
        payload=json.loads(row["payload"]), attempt=row["attempt"], stage=row["stage"],
        done=row["done"], total=row["total"], result=None if result is None else json.loads(result),
        error=row["error"], cancelling=bool(row["cancelling"]), created=row["created"],
        started=row["started"], finished=row["finished"],
    )  # fmt: skip
