"""The table of jobs in a file of SQLite: for one machine, whose processes share the file.

Write-ahead log with synchronous=FULL: what is committed survives a loss of power. It needs shared
memory, so that the file must not lie on a network's file system.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

from portraiture.errors import StorageError
from portraiture.jobs.database import Row
from portraiture.jobs.sql import SqlTable
from portraiture.paths import check_name, reason

_making = threading.Lock()
BUSY_S = 30.0
"""That a transaction waits for others to end."""
NOW = "((julianday('now') - 2440587.5) * 86400.0)"


class SqliteTable(SqlTable):
    """A `JobTable` in the file at `path`, which is made, readable by its owner alone, if need be.
    Raises StorageError where it cannot be, or is another kind of file."""

    begin = "BEGIN IMMEDIATE"
    errors = sqlite3.Error

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        self._path = Path(path)
        check_name(self._path, StorageError)
        _make_private(self._path)
        self._prepare()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        try:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _text(self, statement: str) -> str:
        return _in_sqlite(statement)

    def _rows(self, cursor: Any) -> list[Row]:
        return [dict(row) for row in cursor.fetchall()]

    def _sentence(self, error: Exception) -> str:
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:
            case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
                return "The jobs' database cannot be written; see that its disk has free space."
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return "The jobs' database is busy; try again later."
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
                return "The jobs' database cannot be opened for writing; check its permissions."
            case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
                return "The jobs' database is damaged or another kind of file; restore a copy."
            case _:
                return f"The jobs' database does not work ({error}); see the log."


def _make_private(path: Path) -> None:
    """Create the file, for its owner alone, if there is none. An existing one is not opened: to
    close it would end the locks of all SQLite's connections to it in this process (POSIX).
    Raises StorageError."""
    try:
        with _making:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StorageError(
            f"The jobs' database {path} cannot be opened: {reason(error)}."
        ) from error


@cache
def _in_sqlite(statement: str) -> str:
    return (
        statement.replace("{now}", NOW)
        .replace("{sequence}", "INTEGER PRIMARY KEY AUTOINCREMENT")
        .replace("{lock}", "")
        .replace("{skip}", "")
    )


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; a new file must be free for it, and SQLite does not wait."""
    for _ in range(100):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        time.sleep(0.05)
    connection.execute("PRAGMA journal_mode = WAL")
