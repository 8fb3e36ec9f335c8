"""Opens the table of jobs that a URL or a path stands for."""

from __future__ import annotations

from pathlib import Path

from portraiture.errors import JobError
from portraiture.jobs.table import JobTable


def open_jobs(url_or_path: str | Path) -> JobTable:
    """The table in a PostgreSQL database ("postgresql://…") or a SQLite file (a path), made if
    there is none. Every process opens its own. Raises JobError or StorageError."""
    if isinstance(url_or_path, str) and "://" in url_or_path:
        if url_or_path.startswith(("postgresql://", "postgres://")):
            from portraiture.jobs.postgres import PostgresTable

            return PostgresTable(url_or_path)
        raise JobError("The jobs' database is a postgresql:// URL or the path of a SQLite file.")
    from portraiture.jobs.sqlite import SqliteTable

    return SqliteTable(url_or_path)
