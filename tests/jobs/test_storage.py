"""When the database itself fails: one sentence, and nothing half done."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from portraiture.errors import JobError, StorageError
from portraiture.jobs import database
from portraiture.jobs.database import VERSION
from portraiture.jobs.open import open_jobs
from portraiture.jobs.postgres import PostgresTable
from portraiture.jobs.sql import SqlTable
from portraiture.jobs.sqlite import SqliteTable


class Full(SqliteTable):
    """A table on a disk that fills up: SQLite refuses pages beyond a number as it does there."""

    pages = 1_000_000

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.execute(f"PRAGMA max_page_count = {self.pages}")
        return connection


def test_a_full_disk_refuses_in_a_sentence_and_breaks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    table = Full(path)
    first = table.enqueue("avatar", {"n": 0}, tenant="ann")
    table.close()
    table.pages = path.stat().st_size // 4096 + 4
    made = [first.id]
    with pytest.raises(StorageError, match=r"^The jobs' database .*free space\.$"):
        for number in range(1000):
            payload = {"n": number, "text": "x" * 500}
            made.append(table.enqueue("avatar", payload, tenant="ann").id)
    assert 1 < len(made) < 1000
    held = table.lease("w", 60)
    assert held is not None and held.job.id == first.id
    with pytest.raises(StorageError):
        table.finish(held, {"text": "x" * 100_000}, folder="f")
    assert table.result(first.id, tenant="ann") is None
    assert table.heartbeat(held, 60) == "go on"

    table.close()
    table.pages = 1_000_000
    assert table.finish(held, {"text": "x" * 100_000}, folder="f")
    table.close()
    again = SqliteTable(path)
    assert again.counts().by_state == {"done": 1, "queued": len(made) - 1}
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    again.close()


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    table = open_jobs(path)
    table.add_key("ann")
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    table.close()


def test_commits_are_on_the_disk(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "jobs.sqlite")
    with table._transaction() as run:
        assert run("PRAGMA journal_mode") == [{"journal_mode": "wal"}]
        assert run("PRAGMA synchronous") == [{"synchronous": 2}]  # FULL
    table.close()


def test_opening_it_again_ends_no_locks(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    first, second = open_jobs(path), open_jobs(path)
    code = (
        "from portraiture.jobs.open import open_jobs\n"
        f"table = open_jobs({str(path)!r})\n"
        "table.enqueue('avatar', {}, tenant='ann')\n"
        "table.close()  # who believes to be the last one deletes the write-ahead log"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for number in (1, 2):
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
        assert first.counts().by_state == second.counts().by_state == {"queued": number}
    first.close()
    second.close()


def test_a_lost_connection_is_replaced(url: str) -> None:
    if not url.startswith("postgresql://"):
        pytest.skip("a file has no server")
    table, other = PostgresTable(url), PostgresTable(url)
    job = table.enqueue("avatar", {}, tenant="ann")
    pids = [connection.info.backend_pid for connection in table._idle]
    with other._transaction() as run:
        for pid in pids:
            assert run("SELECT pg_terminate_backend(:pid, 5000) AS ended", {"pid": pid})
    assert pids and table.get(job.id, tenant="ann") == job
    assert pids != [connection.info.backend_pid for connection in table._idle]
    table.close()
    other.close()


def test_without_the_driver_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(JobError, match=r"portraiture\[postgres\]"):
        open_jobs("postgresql://127.0.0.1/none")


def test_tables_of_a_later_version_are_refused_and_left(url: str) -> None:
    table = open_jobs(url)
    job = table.enqueue("avatar", {}, tenant="ann")
    assert isinstance(table, SqlTable)
    with table._transaction() as run:
        assert [row["version"] for row in run("SELECT version FROM portraiture_schema")] == [
            VERSION
        ]
        run("UPDATE portraiture_schema SET version = :version", {"version": VERSION + 1})
    table.close()
    with pytest.raises(StorageError, match=r"later version of Portraiture; update"):
        open_jobs(url)
    with table._transaction() as run:
        run("UPDATE portraiture_schema SET version = :version", {"version": VERSION})
    again = open_jobs(url)
    assert again.get(job.id, tenant="ann") == job
    again.close()
    table.close()


def test_tables_of_an_earlier_version_are_brought_up(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a later version would do: two steps at once, each once, whoever opens them."""
    table = open_jobs(url)
    job = table.enqueue("avatar", {}, tenant="ann")
    table.close()
    steps = {
        VERSION + 1: ("ALTER TABLE portraiture_jobs ADD COLUMN colour TEXT",),
        VERSION + 2: ("UPDATE portraiture_jobs SET colour = 'red'",),
    }
    monkeypatch.setattr(database, "MIGRATIONS", steps)
    monkeypatch.setattr(database, "VERSION", VERSION + 2)
    for _ in range(2):
        later = open_jobs(url)
        assert isinstance(later, SqlTable)
        with later._transaction() as run:
            rows = run("SELECT colour FROM portraiture_jobs WHERE id = :id", {"id": job.id})
        assert [row["colour"] for row in rows] == ["red"]
        later.close()
