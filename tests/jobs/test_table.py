"""The table of jobs, on every database.

Properties: jobs come in order and each to one worker only, whoever asks at once; a lease that has
run out goes to another worker, and the fence keeps the first from ending it; attempts are counted
and end; idempotency keys give one job; a full queue refuses; no tenant sees another's; text from
outside breaks nothing.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from job_cases import lease_all

from portraiture.errors import IdempotencyError, JobError, QueueFullError
from portraiture.jobs.open import open_jobs
from portraiture.jobs.table import ATTEMPTS, Job, JobTable, Lease


def add(table: JobTable, tenant: str = "ann", **options) -> Job:
    return table.enqueue("avatar", {"n": 1}, tenant=tenant, **options)


def lease(table: JobTable, worker: str = "w", seconds: float = 60.0) -> Lease:
    found = table.lease(worker, seconds)
    assert found is not None
    return found


def state(table: JobTable, job: Job) -> str:
    found = table.get(job.id, tenant=job.tenant)
    assert found is not None
    return found.state


def test_a_job_goes_its_way(table: JobTable) -> None:
    payload = {"photo": "é\0", "options": {"style": "pixar", "n": [1, 2.5, None]}}
    before = time.time()
    job = table.enqueue("avatar", payload, tenant="ann")
    assert (job.state, job.payload, job.attempt, job.result) == ("queued", payload, 0, None)
    assert before - 1 < job.created < time.time() + 1
    assert table.counts().by_state == {"queued": 1}

    held = lease(table)
    assert (held.job.id, held.job.state, held.job.attempt) == (job.id, "running", 1)
    assert table.lease("other", 60) is None
    assert table.heartbeat(held, 60, stage="Fit", done=3, total=7) == "go on"
    seen = table.get(job.id, tenant="ann")
    assert seen is not None and (seen.stage, seen.done, seen.total) == ("Fit", 3, 7)

    assert table.finish(held, {"glb": 5})
    seen = table.get(job.id, tenant="ann")
    assert seen is not None and (seen.state, seen.result) == ("done", {"glb": 5})
    assert seen.created <= (seen.started or 0) <= (seen.finished or 0) < time.time() + 1
    assert table.heartbeat(held, 60) == "lost"
    assert not table.finish(held, {}) and not table.fail(held, "No.", again=True)
    assert not table.stop(held) and not table.give_back(held)
    assert table.counts().by_state == {"done": 1}


def test_jobs_come_in_order_and_by_kind(table: JobTable) -> None:
    first, second = add(table), add(table)
    head = table.enqueue("head", {}, tenant="ann")
    found = table.lease("w", 60, kinds=("head", "mesh"))
    assert found is not None and found.job.id == head.id
    assert table.lease("w", 60, kinds=("head",)) is None
    assert [lease(table).job.id for _ in range(2)] == [first.id, second.id]


def test_threads_never_get_one_job_twice(table: JobTable) -> None:
    ids = {add(table).id for _ in range(120)}
    start = Barrier(8)

    def work(number: int) -> list[str]:
        start.wait()
        return lease_all(table, f"w{number}")

    with ThreadPoolExecutor(8) as pool:
        found = [id for ids in pool.map(work, range(8)) for id in ids]
    assert sorted(found) == sorted(ids)
    assert table.counts().by_state == {"done": 120}


def test_processes_never_get_one_job_twice(url: str) -> None:
    table = open_jobs(url)
    ids = {add(table).id for _ in range(100)}
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.starmap(_lease_all, [(url, f"w{number}") for number in range(3)])
    assert Counter(id for ids in found for id in ids) == Counter(ids)
    table.close()


def _lease_all(url: str, worker: str) -> list[str]:
    table = open_jobs(url)
    found = lease_all(table, worker)
    table.close()
    return found


def test_a_lease_that_ran_out_goes_to_another_and_is_fenced(table: JobTable) -> None:
    job = add(table)
    slow = lease(table, "slow", 0.05)
    time.sleep(0.1)
    fast = lease(table, "fast")
    assert fast.job.id == job.id and fast.fence > slow.fence and fast.job.attempt == 2
    assert table.heartbeat(slow, 60) == "lost"
    assert not table.finish(slow, {"from": "slow"}, folder="slow")
    assert not table.fail(slow, "No.", again=False) and not table.give_back(slow)
    assert table.finish(fast, {"from": "fast"}, folder="fast")
    found, made = table.get(job.id, tenant="ann"), table.result(job.id, tenant="ann")
    assert found is not None and found.result == {"from": "fast"}
    assert made is not None and made.folder == "fast"


def test_heartbeats_keep_a_lease_and_one_that_nobody_took_revives(table: JobTable) -> None:
    add(table)
    held = lease(table, seconds=0.3)
    for _ in range(4):
        time.sleep(0.1)
        assert table.heartbeat(held, 0.3) == "go on"
    assert table.lease("other", 60) is None
    time.sleep(0.35)
    assert table.heartbeat(held, 60) == "go on"
    assert table.lease("other", 60) is None


def test_three_attempts_and_then_dead(table: JobTable) -> None:
    broken, failing = add(table), add(table)
    for attempt in range(1, ATTEMPTS + 1):
        assert lease(table, seconds=0.0).job.attempt == attempt
    held = lease(table)
    assert held.job.id == failing.id and state(table, broken) == "dead"
    for attempt in range(1, ATTEMPTS):
        assert table.fail(held, "It did not work.", again=True)
        held = lease(table)
        assert (held.job.id, held.job.attempt) == (failing.id, attempt + 1)
    assert table.fail(held, "It did not work\0 at all.", again=True)
    found = table.get(failing.id, tenant="ann")
    assert found is not None and found.state == "dead" and found.error is not None
    assert found.error.startswith("It did not work")
    assert table.lease("w", 60) is None
    dead = table.get(broken.id, tenant="ann")
    assert dead is not None and dead.error and dead.error.count(".") == 1


def test_a_failure_that_stays_is_final_and_a_passing_one_waits(table: JobTable) -> None:
    bad, passing = add(table), add(table)
    assert table.fail(lease(table), "There is no face in the photo.", again=False)
    assert state(table, bad) == "failed"
    assert table.fail(lease(table), "Later.", again=True, delay=0.3)
    assert table.lease("w", 60) is None and state(table, passing) == "queued"
    time.sleep(0.35)
    assert lease(table).job.id == passing.id


def test_giving_back_costs_no_attempt_but_a_dead_worker_does(table: JobTable) -> None:
    add(table)
    for _ in range(ATTEMPTS + 2):
        held = lease(table)
        assert held.job.attempt == 1
        assert table.give_back(held)
    held = lease(table, "killed")
    assert table.release("somebody else") == 0 and table.lease("w", 60) is None
    assert table.release("killed") == 1
    assert table.heartbeat(held, 60) == "lost" and not table.finish(held, {})
    assert lease(table, "stopped").job.attempt == 2
    assert table.release("stopped", free=True) == 1
    assert lease(table).job.attempt == 2


def test_cancelling(table: JobTable) -> None:
    waiting, running = add(table), None
    found = table.cancel(waiting.id, tenant="ann")
    assert found is not None and found.state == "cancelled" and found.finished
    assert table.lease("w", 60) is None

    for end in ("stop", "fail", "give back", "break off"):
        running = add(table)
        held = lease(table, "w", 0.05 if end == "break off" else 60)
        found = table.cancel(running.id, tenant="ann")
        assert found is not None and found.state == "running" and found.cancelling
        if end == "stop":
            assert table.heartbeat(held, 60) == "cancel"
            assert table.stop(held)
        elif end == "fail":
            assert table.fail(held, "Later.", again=True)
        elif end == "give back":
            assert table.give_back(held)
        else:
            time.sleep(0.1)
        assert table.lease("w", 60) is None
        assert state(table, running) == "cancelled", end

    done = add(table)
    assert table.finish(lease(table), {})
    found = table.cancel(done.id, tenant="ann")
    assert found is not None and found.state == "done" and not found.cancelling


def test_an_idempotency_key_gives_one_job(table: JobTable) -> None:
    key = "x" * 5000 + "\0\ud800"
    start = Barrier(6)

    def ask(_: int) -> str:
        start.wait()
        return add(table, key=key).id

    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(ask, range(6)))
    assert len(ids) == 1 and table.counts().by_state == {"queued": 1}
    assert add(table, "bob", key=key).id not in ids
    assert add(table, key=key, max_queued=0).id in ids, "a full queue refuses no old job"
    for kind, payload in (("avatar", {"n": 2}), ("head", {"n": 1})):
        with pytest.raises(IdempotencyError):
            table.enqueue(kind, payload, tenant="ann", key=key)
    assert table.finish(lease(table), {})
    assert add(table, key=key).state == "done"


def test_a_full_queue_refuses_whoever_asks_at_once(table: JobTable) -> None:
    start = Barrier(8)

    def ask(number: int) -> bool:
        start.wait()
        try:
            add(table, f"tenant {number}", max_queued=3)
        except QueueFullError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 3
    assert table.counts().by_state == {"queued": 3}
    lease(table)
    assert add(table, max_queued=3)


def test_ids_are_given_or_random(table: JobTable) -> None:
    given = "0123456789abcdef" * 2
    assert add(table, id=given).id == given
    with pytest.raises(JobError):
        add(table, "bob", id=given)
    for bad in ("", "../x", "A" * 32, "a" * 31, "a" * 32 + "\n"):
        with pytest.raises(ValueError, match="32"):
            add(table, id=bad)
    assert len({add(table).id for _ in range(20)}) == 20


def test_no_tenant_sees_anothers(table: JobTable) -> None:
    job = add(table, "ann")
    assert table.get(job.id, tenant="bob") is None
    assert table.cancel(job.id, tenant="bob") is None
    assert state(table, job) == "queued"
    for odd in ("", "\0", "\ud800", "' OR '1'='1", "%", job.id + "\0"):
        assert table.get(odd, tenant="ann") is None and table.cancel(odd, tenant="ann") is None
        assert table.get(job.id, tenant=odd) is None


def test_counts_and_forgetting(table: JobTable) -> None:
    first = add(table)
    time.sleep(0.15)
    add(table)
    oldest = table.counts().oldest_wait
    assert 0.15 <= oldest < 5
    assert table.finish(lease(table), {})
    assert 0 <= table.counts().oldest_wait < oldest
    assert table.forget(60) == 0
    assert table.forget(0) == 1
    assert table.get(first.id, tenant="ann") is None
    assert table.counts().by_state == {"queued": 1}


def test_what_was_committed_is_there_after_opening_anew(url: str) -> None:
    table = open_jobs(url)
    job = add(table)
    table.close()
    table = open_jobs(url)
    assert table.get(job.id, tenant="ann") == job
    table.close()


def test_bad_addresses_are_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello, this is no database at all" * 100)
    for bad in (
        "mysql://x", str(tmp_path), str(tmp_path / "no" / "x"), str(tmp_path / "text"),
        "postgresql://nobody@127.0.0.1:1/none", str(tmp_path / "\udcff"),
    ):  # fmt: skip
        with pytest.raises(JobError) as refused:
            open_jobs(bad)
        assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_a_job_that_is_asked_to_stop_never_ends_well(table: JobTable) -> None:
    job = table.enqueue("avatar", {}, tenant="ann")
    held = table.lease("w", 60)
    assert held is not None
    table.cancel(job.id, tenant="ann")
    assert not table.finish(held, {}, folder="f")
    ended = table.get(job.id, tenant="ann")
    assert ended is not None and ended.state == "cancelled"
    assert table.result(job.id, tenant="ann") is None


def test_jobs_of_one_subject_keep_their_order(table: JobTable) -> None:
    first, second = (table.enqueue("edit", {"n": n}, tenant="ann", subject="s") for n in (1, 2))
    other = table.enqueue("edit", {"n": 3}, tenant="ann", subject="t")
    free = table.enqueue("avatar", {}, tenant="ann")
    held = [table.lease("w", 60) for _ in range(4)]
    assert [one and one.job.id for one in held] == [first.id, other.id, free.id, None]
    assert held[0] is not None and table.fail(held[0], "No.", again=True, delay=60)
    assert table.lease("w", 60) is None, "the first one waits for its next attempt"
    table.cancel(first.id, tenant="ann")
    last = table.lease("w", 60)
    assert last is not None and last.job.id == second.id


def test_urgent_jobs_come_first(table: JobTable) -> None:
    slow = table.enqueue("avatar", {}, tenant="ann")
    fast = [table.enqueue("export", {"n": n}, tenant="ann", urgent=True) for n in (1, 2)]
    held = [table.lease("w", 60) for _ in range(3)]
    assert [one and one.job.id for one in held] == [fast[0].id, fast[1].id, slow.id]


def test_a_tenant_has_a_bound_of_its_own(table: JobTable) -> None:
    for number in range(2):
        table.enqueue("avatar", {"n": number}, tenant="ann", max_own=2)
    with pytest.raises(QueueFullError, match="yours"):
        table.enqueue("avatar", {"n": 3}, tenant="ann", max_own=2)
    table.enqueue("avatar", {}, tenant="bob", max_own=2)
    assert table.lease("w", 60)
    table.enqueue("avatar", {"n": 3}, tenant="ann", max_own=2)
