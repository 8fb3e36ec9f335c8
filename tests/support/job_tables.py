"""Tables of jobs to test: in a file of SQLite, and in a schema of its own of the PostgreSQL that
PORTRAITURE_TEST_POSTGRES names."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from portraiture.jobs.open import open_jobs
from portraiture.jobs.table import JobTable

POSTGRES = os.environ.get("PORTRAITURE_TEST_POSTGRES")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of a new, empty database."""
    if request.param == "sqlite":
        yield str(tmp_path / "jobs.sqlite")
        return
    if POSTGRES is None:
        pytest.skip("PORTRAITURE_TEST_POSTGRES is not set")
    import psycopg

    schema = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield f"{POSTGRES}?options={quote(f'-csearch_path={schema} -cclient_min_messages=error')}"
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def table(url: str) -> Iterator[JobTable]:
    table = open_jobs(url)
    yield table
    table.close()
