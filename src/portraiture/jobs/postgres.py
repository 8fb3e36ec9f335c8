"""The table of jobs in PostgreSQL: for workers and services on several machines."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, cast

from portraiture.errors import JobError
from portraiture.jobs.database import Row, Run
from portraiture.jobs.sql import SqlTable

NOW = "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"
CONNECT_S = 10
SERIAL = 7_307_682_231
"""Number of the advisory lock that serialises what must not happen twice at a time."""


class PostgresTable(SqlTable):
    """A `JobTable` in the database of a `postgresql://` URL; its tables are made if need be. Raises
    JobError without psycopg, StorageError where the database cannot be reached or used."""

    begin = "BEGIN ISOLATION LEVEL READ COMMITTED"

    def __init__(self, url: str) -> None:
        super().__init__()
        try:
            import psycopg
        except ImportError as error:
            raise JobError(
                "PostgreSQL needs its driver; install it with pip install "
                '"portraiture[postgres]" or give the path of a SQLite file.'
            ) from error
        self.errors = psycopg.Error
        self._url = url
        self._prepare()

    def _connect(self) -> Any:
        import psycopg
        from psycopg.rows import dict_row

        return psycopg.connect(
            self._url, autocommit=True, row_factory=cast(Any, dict_row), connect_timeout=CONNECT_S
        )

    def _text(self, statement: str) -> str:
        return _in_postgres(statement)

    def _rows(self, cursor: Any) -> list[Row]:
        return cursor.fetchall() if cursor.description else []

    def _serialise(self, run: Run) -> None:
        run("SELECT pg_advisory_xact_lock(:number)", {"number": SERIAL})

    def _sentence(self, error: Exception) -> str:
        match (getattr(error, "sqlstate", None) or "08000")[:2]:
            case "53" | "58":
                return "The jobs' database is short of space, memory or connections; see its log."
            case "08" | "57":
                return "The jobs' database cannot be reached; see that it runs and check its URL."
            case "28" | "42":
                return "The jobs' database refuses this user; check the URL and its permissions."
            case _:
                return f"The jobs' database does not work (SQLSTATE {error.sqlstate}); see the log."  # type: ignore[attr-defined]


@cache
def _in_postgres(statement: str) -> str:
    return (
        re.sub(r":(\w+)", r"%(\1)s", statement)
        .replace("{now}", NOW)
        .replace("{sequence}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
        .replace("{lock}", "FOR UPDATE")
        .replace("{skip}", "FOR UPDATE SKIP LOCKED")
    )
