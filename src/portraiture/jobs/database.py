"""Connections and transactions of a `JobTable`: what SQLite and PostgreSQL do differently.

A connection serves one transaction at a time and goes back to the idle ones, so that there are as
many as threads that ask at the same time. SQL is written once, with `:name` for values, {now} for
the database's clock and {lock} for rows that are read to be changed, {skip} where rows in
other transactions are passed over.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

from portraiture.errors import StorageError

Row = dict[str, Any]
Run = Callable[..., list[Row]]
"""Runs one statement with its values by name; the rows that it returns."""

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS portraiture_jobs (
        seq {sequence}, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, kind TEXT NOT NULL,
        state TEXT NOT NULL, payload TEXT NOT NULL, key TEXT, attempt INTEGER NOT NULL DEFAULT 0,
        fence INTEGER NOT NULL DEFAULT 0, worker TEXT, due DOUBLE PRECISION NOT NULL,
        stage TEXT NOT NULL DEFAULT '', done INTEGER NOT NULL DEFAULT 0,
        total INTEGER NOT NULL DEFAULT 0, result TEXT, error TEXT,
        cancelling INTEGER NOT NULL DEFAULT 0, created DOUBLE PRECISION NOT NULL,
        started DOUBLE PRECISION, finished DOUBLE PRECISION,
        subject TEXT, urgent INTEGER NOT NULL DEFAULT 0, UNIQUE (tenant, key))""",
    """CREATE INDEX IF NOT EXISTS portraiture_jobs_open ON portraiture_jobs (seq)
        WHERE state IN ('queued', 'running')""",
    """CREATE INDEX IF NOT EXISTS portraiture_jobs_subject ON portraiture_jobs (subject, seq)
        WHERE subject IS NOT NULL""",
    """CREATE INDEX IF NOT EXISTS portraiture_jobs_ended ON portraiture_jobs (finished)
        WHERE finished IS NOT NULL""",
    """CREATE TABLE IF NOT EXISTS portraiture_results (
        seq {sequence}, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, kind TEXT NOT NULL,
        folder TEXT NOT NULL, version INTEGER NOT NULL, created DOUBLE PRECISION NOT NULL)""",
    """CREATE INDEX IF NOT EXISTS portraiture_results_of
        ON portraiture_results (tenant, seq)""",
    """CREATE TABLE IF NOT EXISTS portraiture_keys (
        seq {sequence}, hash TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, name TEXT NOT NULL,
        created DOUBLE PRECISION NOT NULL, revoked DOUBLE PRECISION)""",
    "CREATE TABLE IF NOT EXISTS portraiture_schema (version INTEGER NOT NULL)",
)
VERSION = 1
"""Of `SCHEMA`. Who changes it counts up and gives the statements from the version before."""
MIGRATIONS: Mapping[int, tuple[str, ...]] = {}
"""Statements by the version that they lead to."""
"""due: when the lease of a running job ends, or from when on a queued one may be leased. key: hash
of the idempotency key."""


class Database(ABC):
    """A pool of connections. Raises StorageError for all that goes wrong in the database."""

    begin: str
    """Statement that begins a transaction."""
    errors: type[Exception]
    """Base of what the driver raises."""

    def __init__(self) -> None:
        self._idle: list[Any] = []
        self._lock = threading.Lock()

    @abstractmethod
    def _connect(self) -> Any:
        """A new connection, in which statements are their own transactions until `begin`."""

    @abstractmethod
    def _text(self, statement: str) -> str:
        """The statement in this database's SQL."""

    @abstractmethod
    def _rows(self, cursor: Any) -> list[Row]:
        """What a statement returned."""

    @abstractmethod
    def _sentence(self, error: Exception) -> str:
        """What went wrong and what to do."""

    def _prepare(self) -> None:
        """Make the tables where there are none, or bring them to this version. Raises StorageError,
        for those of a later version too."""
        try:
            with self._transaction() as run:
                self._serialise(run)  # two that make a table at the same time both fail
                for statement in SCHEMA:
                    run(statement)
                _bring_up(run)
        except BaseException:
            self.close()
            raise

    def _serialise(self, run: Run) -> None:  # noqa: B027
        """Let no other transaction pass this point until this one has ended."""

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _transaction(self, begin: str | None = None) -> Iterator[Run]:
        """All statements of the block or none; on the disk when it ends. Raises StorageError."""
        try:
            connection = self._begun(begin or self.begin)
        except self.errors as error:
            raise StorageError(self._sentence(error)) from error
        usable = False
        try:
            yield partial(self._run, connection)
            connection.execute("COMMIT")
            usable = True
        except BaseException as error:
            with suppress(self.errors):
                connection.execute("ROLLBACK")
                usable = not isinstance(error, self.errors)
            if isinstance(error, self.errors):
                raise StorageError(self._sentence(error)) from error
            raise
        finally:
            if usable:
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.close()

    def _reading(self) -> AbstractContextManager[Run]:
        """A transaction that changes nothing and makes no writer wait."""
        return self._transaction("BEGIN")

    def _begun(self, begin: str) -> Any:
        """A connection in a transaction. An idle one whose server has gone is replaced."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                connection.execute(begin)
                return connection
            except self.errors:
                connection.close()
        connection = self._connect()
        try:
            connection.execute(begin)
        except BaseException:
            connection.close()
            raise
        return connection

    def _run(
        self, connection: Any, statement: str, values: Mapping[str, Any] | None = None
    ) -> list[Row]:
        return self._rows(connection.execute(self._text(statement), dict(values or {})))


def plain(text: str) -> str:
    """Text that every database takes: without null characters and halves of surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _bring_up(run: Run) -> None:
    """Bring the tables to this version. Raises StorageError where theirs is a later one."""
    found = [row["version"] for row in run("SELECT version FROM portraiture_schema")]
    before = max(found, default=VERSION)
    if before > VERSION:
        raise StorageError(
            "The jobs' database belongs to a later version of Portraiture; update this one."
        )
    for version in range(before + 1, VERSION + 1):
        for statement in MIGRATIONS[version]:
            run(statement)
    if found != [VERSION]:
        run("DELETE FROM portraiture_schema")
        run("INSERT INTO portraiture_schema VALUES (:version)", {"version": VERSION})
