"""Results and API keys in SQL."""

from __future__ import annotations

import secrets
from hashlib import sha256

from portraiture.errors import RevisedError
from portraiture.jobs.database import Database, Row, Run, plain
from portraiture.jobs.table import ApiKey, InUse, Job, Result

KEY_PREFIX = "portraiture_"
"""By which scanners for leaked secrets know a key."""
KEY_ID_DIGITS = 16
"""Of a key's hash, by which the key is named."""

RECORD = """INSERT INTO portraiture_results (id, tenant, kind, folder, version, created)
    VALUES (:id, :tenant, :kind, :folder, 1, {now})"""
FIELDS = "id, tenant, kind, folder, version, created"
RESULT = f"SELECT {FIELDS} FROM portraiture_results WHERE id = :id AND tenant = :tenant"
RESULTS = f"""SELECT {FIELDS} FROM portraiture_results WHERE tenant = :tenant
    AND (:every = 1 OR kind = :kind) AND (:first = 1 OR seq <
    (SELECT seq FROM portraiture_results WHERE id = :after AND tenant = :tenant))
    ORDER BY seq DESC LIMIT :limit"""
REVISE = f"""UPDATE portraiture_results SET version = version + 1,
    folder = COALESCE(CAST(:folder AS TEXT), folder)
    WHERE id = :id AND tenant = :tenant AND version = :version RETURNING {FIELDS}"""
DELETE = f"""DELETE FROM portraiture_results WHERE id = :id AND tenant = :tenant
    RETURNING {FIELDS}"""
OWNER = "SELECT tenant FROM portraiture_results WHERE id = :id"
IN_USE = """SELECT folder AS name, 1 AS what FROM portraiture_results
    UNION ALL SELECT id, CASE WHEN state = 'running' THEN 2 ELSE 3 END FROM portraiture_jobs
    WHERE state IN ('queued', 'running')"""
ADD_KEY = """INSERT INTO portraiture_keys (hash, tenant, name, created)
    VALUES (:hash, :tenant, :name, {now})"""
TENANT_OF = "SELECT tenant FROM portraiture_keys WHERE hash = :hash AND revoked IS NULL"
KEYS = """SELECT hash, tenant, name, created, revoked FROM portraiture_keys
    WHERE tenant = :tenant ORDER BY seq"""
REVOKE = """UPDATE portraiture_keys SET revoked = {now}
    WHERE substr(hash, 1, :digits) = :id AND tenant = :tenant AND revoked IS NULL RETURNING hash"""


class SqlResults(Database):
    """The `ResultTable` and `KeyTable` of a `Database`."""

    def _record(self, run: Run, job: Job, folder: str, revises: Result | None) -> None:
        """The job has made a folder: a new result, or the next version of one."""
        if revises is None:
            run(RECORD, {"id": job.id, "tenant": job.tenant, "kind": job.kind, "folder": folder})
            return
        values = {
            "id": revises.id, "tenant": job.tenant, "version": revises.version, "folder": folder,
        }  # fmt: skip
        if not run(REVISE, values):
            raise RevisedError("It was changed or deleted while this was being done; ask again.")

    def result(self, id: str, *, tenant: str) -> Result | None:
        with self._reading() as run:
            return _only(run(RESULT, {"id": plain(id), "tenant": plain(tenant)}))

    def results(
        self, *, tenant: str, kind: str | None = None, limit: int = 100, after: str | None = None
    ) -> list[Result]:
        values = {
            "tenant": plain(tenant), "every": int(kind is None), "kind": plain(kind or ""),
            "first": int(after is None), "after": plain(after or ""), "limit": int(limit),
        }  # fmt: skip
        with self._reading() as run:
            return [Result(**row) for row in run(RESULTS, values)]

    def revise_result(
        self, id: str, *, tenant: str, version: int, folder: str | None = None
    ) -> Result | None:
        values = {"id": plain(id), "tenant": plain(tenant), "version": version, "folder": folder}
        with self._transaction() as run:
            return _only(run(REVISE, values))

    def tenant_of_result(self, id: str) -> str | None:
        with self._reading() as run:
            rows = run(OWNER, {"id": plain(id)})
        return rows[0]["tenant"] if rows else None

    def delete_result(self, id: str, *, tenant: str) -> Result | None:
        with self._transaction() as run:
            return _only(run(DELETE, {"id": plain(id), "tenant": plain(tenant)}))

    def in_use(self) -> InUse:
        with self._reading() as run:
            rows = run(IN_USE)
        folders, jobs, waiting = (
            frozenset(row["name"] for row in rows if row["what"] == what) for what in (1, 2, 3)
        )
        return InUse(folders, jobs, waiting)

    def add_key(self, tenant: str, *, name: str = "") -> str:
        key = KEY_PREFIX + secrets.token_urlsafe(32)
        with self._transaction() as run:
            run(ADD_KEY, {"hash": _hash(key), "tenant": plain(tenant), "name": plain(name)})
        return key

    def tenant_of(self, key: str) -> str | None:
        with self._reading() as run:
            rows = run(TENANT_OF, {"hash": _hash(key)})
        return rows[0]["tenant"] if rows else None

    def keys(self, *, tenant: str) -> list[ApiKey]:
        with self._reading() as run:
            rows = run(KEYS, {"tenant": plain(tenant)})
        return [ApiKey(row.pop("hash")[:KEY_ID_DIGITS], **row) for row in rows]

    def revoke(self, id: str, *, tenant: str) -> bool:
        values = {"id": plain(id), "tenant": plain(tenant), "digits": KEY_ID_DIGITS}
        with self._transaction() as run:
            return bool(run(REVOKE, values))


def _hash(key: str) -> str:
    """Of 256 random bits, which nobody guesses: a slow hash would add nothing."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _only(rows: list[Row]) -> Result | None:
    return Result(**rows[0]) if rows else None
