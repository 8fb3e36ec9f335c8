"""Results and API keys, on every database.

Properties: a result is recorded with the end of its job or not at all; revisions compare and set,
one of many at once wins; pages list each result once; keys are not kept themselves; no tenant
sees or changes another's.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from portraiture.errors import RevisedError
from portraiture.jobs.table import InUse, JobTable, Result


def make(table: JobTable, tenant: str = "ann", kind: str = "avatar", folder: str = "f") -> Result:
    table.enqueue(kind, {}, tenant=tenant)
    held = table.lease("w", 60)
    assert held is not None and table.finish(held, {"ok": True}, folder=folder)
    made = table.result(held.job.id, tenant=tenant)
    assert made is not None
    return made


def test_a_result_is_recorded_with_its_job(table: JobTable) -> None:
    made = make(table, folder="a-1")
    job = table.get(made.id, tenant="ann")
    assert job is not None and job.state == "done" and job.finished is not None
    assert made == Result(job.id, "ann", "avatar", "a-1", 1, made.created)
    assert abs(made.created - job.finished) < 1
    table.enqueue("avatar", {}, tenant="ann")
    held = table.lease("w", 60)
    assert held is not None
    with pytest.raises(ValueError, match="JSON"):
        table.finish(held, {"loss": float("nan")}, folder="b")
    assert table.in_use() == InUse(frozenset({"a-1"}), frozenset({held.job.id}))
    assert table.finish(held, {})
    assert table.result(held.job.id, tenant="ann") is None
    assert table.in_use() == InUse(frozenset({"a-1"}), frozenset())
    assert table.forget(0) == 2
    assert table.result(made.id, tenant="ann") == made, "results outlive their jobs"


def test_revisions_compare_and_set(table: JobTable) -> None:
    made = make(table, folder="one")
    start = Barrier(6)

    def revise(number: int) -> Result | None:
        start.wait()
        return table.revise_result(made.id, tenant="ann", version=1, folder=f"two {number}")

    with ThreadPoolExecutor(6) as pool:
        won = [result for result in pool.map(revise, range(6)) if result is not None]
    assert len(won) == 1 and won[0].version == 2 and won[0].folder.startswith("two ")
    assert table.result(made.id, tenant="ann") == won[0]
    again = table.revise_result(made.id, tenant="ann", version=2)
    assert again is not None and (again.version, again.folder) == (3, won[0].folder)
    assert table.revise_result("0" * 32, tenant="ann", version=1) is None


def test_pages_list_each_result_once_newest_first(table: JobTable) -> None:
    made = [make(table, kind="head" if n % 3 == 0 else "avatar", folder=str(n)) for n in range(7)]
    make(table, "bob", folder="bob's")
    newest = [result.id for result in reversed(made)]
    assert [result.id for result in table.results(tenant="ann")] == newest
    assert [result.folder for result in table.results(tenant="ann", kind="head")] == ["6", "3", "0"]
    pages: list[str] = []
    while page := table.results(tenant="ann", limit=3, after=pages[-1] if pages else None):
        pages += [result.id for result in page]
    assert pages == newest
    assert table.results(tenant="ann", after=table.results(tenant="bob")[0].id) == []


def test_deleting(table: JobTable) -> None:
    made, other = make(table, folder="a"), make(table, folder="b")
    assert table.delete_result(made.id, tenant="ann") == made
    assert table.delete_result(made.id, tenant="ann") is None
    assert table.result(made.id, tenant="ann") is None
    assert table.results(tenant="ann") == [other]
    assert table.in_use().folders == {"b"}


def test_no_tenant_sees_or_changes_anothers(table: JobTable) -> None:
    made = make(table)
    for tenant in ("bob", "", "ann\0", "\ud800", "a%"):
        assert table.result(made.id, tenant=tenant) is None
        assert table.results(tenant=tenant) == []
        assert table.revise_result(made.id, tenant=tenant, version=1) is None
        assert table.delete_result(made.id, tenant=tenant) is None
    for odd in ("\0", "\ud800", "' OR 1=1 --"):
        assert table.result(odd, tenant="ann") is None
        assert table.results(tenant="ann", after=odd) == []
    assert table.result(made.id, tenant="ann") == made


def test_keys_stand_for_tenants_until_they_are_revoked(table: JobTable) -> None:
    first, second = table.add_key("ann", name="laptop"), table.add_key("ann")
    assert first != second and len(first) >= 43
    assert table.tenant_of(first) == table.tenant_of(second) == "ann"
    for wrong in ("", first[:-1], first + "x", first.swapcase(), "\0", "\ud800", "%"):
        assert table.tenant_of(wrong) is None
    known = table.keys(tenant="ann")
    assert [key.name for key in known] == ["laptop", ""] and table.keys(tenant="bob") == []
    assert not table.revoke(known[0].id, tenant="bob")
    assert table.tenant_of(first) == "ann"
    assert table.revoke(known[0].id, tenant="ann")
    assert not table.revoke(known[0].id, tenant="ann")
    assert (table.tenant_of(first), table.tenant_of(second)) == (None, "ann")
    assert [key.revoked is None for key in table.keys(tenant="ann")] == [False, True]


def test_keys_are_not_kept(tmp_path: Path, table: JobTable) -> None:
    key = table.add_key("ann")
    assert key not in repr(table.keys(tenant="ann"))
    table.close()
    secret = key.removeprefix("portraiture_").encode()
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert all(secret not in path.read_bytes() for path in files)


def test_a_job_that_revises_makes_the_next_version(table: JobTable) -> None:
    old = make(table, folder="a")
    table.enqueue("edit", {}, tenant="ann")
    held = table.lease("w", 60)
    assert held is not None and table.finish(held, {}, folder="b", revises=old)
    new = table.result(old.id, tenant="ann")
    assert new is not None and (new.folder, new.version, new.kind) == ("b", 2, "avatar")
    assert table.result(held.job.id, tenant="ann") is None
    assert table.tenant_of_result(old.id) == "ann"
    assert table.tenant_of_result(held.job.id) is None
    assert [job.id for job in table.ended(within=60)] == [old.id, held.job.id]
    assert table.ended(within=-60) == []


def test_a_revision_of_what_has_changed_does_not_end_the_job(table: JobTable) -> None:
    old = make(table, folder="a")
    table.enqueue("edit", {}, tenant="ann")
    held = table.lease("w", 60)
    assert held is not None
    assert table.revise_result(old.id, tenant="ann", version=1, folder="c")
    with pytest.raises(RevisedError):
        table.finish(held, {}, folder="b", revises=old)
    job, result = table.get(held.job.id, tenant="ann"), table.result(old.id, tenant="ann")
    assert job is not None and job.state == "running"
    assert result is not None and (result.folder, result.version) == ("c", 2)
