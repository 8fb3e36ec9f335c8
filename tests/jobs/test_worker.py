"""One worker, and the supervisor of several.

Properties: what the work makes is recorded with its folder; errors of the input fail at once, in
their sentence; others come again, later, and end in a general one; cancelled and lost work leaves
nothing; a worker that is told to leave gives its job back; one that takes too much memory ends.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import job_cases
import pytest

import portraiture.jobs.worker as worker_module
from portraiture.errors import CancelledError, OutputError, PhotoError, StorageError
from portraiture.jobs.folders import result_folder
from portraiture.jobs.open import open_jobs
from portraiture.jobs.sqlite import SqliteTable
from portraiture.jobs.supervisor import Workers
from portraiture.jobs.table import Job, JobTable, Lease, Result
from portraiture.jobs.worker import TOO_LARGE, WENT_WRONG, Made, Work, Worker, WorkerConfig
from portraiture.progress import Progress

CONFIG = WorkerConfig(lease_s=0.3, poll_s=0.01, retry_s=0.05)
PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "TRY_S", 0.01)


def do_all(table: JobTable, work: Work, config: WorkerConfig = CONFIG) -> None:
    """Work until nothing is queued or runs."""
    worker = Worker(table, work, name="w", config=config)
    thread = threading.Thread(target=worker.run)
    thread.start()
    wait_until(lambda: not {"queued", "running"} & set(table.counts().by_state))
    worker.leave()
    thread.join()


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "nothing happens any more"
        time.sleep(0.01)


def add(table: JobTable) -> Job:
    return table.enqueue("avatar", {"n": 1}, tenant="ann")


def get(table: JobTable, job: Job) -> Job:
    found = table.get(job.id, tenant="ann")
    assert found is not None
    return found


def test_what_is_made_is_recorded(table: JobTable, tmp_path: Path) -> None:
    job, seen = add(table), []

    def work(job: Job, progress: Progress) -> Made:
        with result_folder(tmp_path / "out", job.id) as folder:
            progress.stage("Fit", 5)
            progress.step(3)
            time.sleep(0.4)
            seen.append(get(table, job))
            (folder.path / "avatar.glb").write_text("glb")
        return Made({"n": job.payload["n"] + 1}, folder.final)

    do_all(table, work)
    made, result = get(table, job), table.result(job.id, tenant="ann")
    assert (made.state, made.result) == ("done", {"n": 2}) and result is not None
    assert [path.name for path in (tmp_path / "out").iterdir()] == [result.folder]
    assert (tmp_path / "out" / result.folder / "avatar.glb").read_text() == "glb"
    assert [(now.state, now.stage, now.done, now.total) for now in seen] == [
        ("running", "Fit", 3, 5)
    ]


def test_work_that_does_not_step_keeps_its_lease(table: JobTable) -> None:
    job, attempts = add(table), []
    config = WorkerConfig(lease_s=1.0, poll_s=0.01)

    def work(job: Job, progress: Progress) -> dict:
        attempts.append(job.attempt)
        for _ in range(22):
            time.sleep(0.1)
            assert table.lease("other", 60) is None
        return {}

    do_all(table, work, config)
    assert attempts == [1] and get(table, job).state == "done"


def test_an_input_that_is_no_good_fails_in_its_sentence(table: JobTable) -> None:
    job, attempts = add(table), []

    def work(job: Job, progress: Progress) -> dict:
        attempts.append(job.attempt)
        raise PhotoError("There is no face in the photo; use another.")

    do_all(table, work)
    failed = get(table, job)
    assert (failed.state, failed.error) == ("failed", "There is no face in the photo; use another.")
    assert attempts == [1]


@pytest.mark.parametrize(
    "error",
    [RuntimeError("secret"), OutputError("/secret is full."), SystemExit(1), MemoryError("secret")],
)
def test_other_errors_come_again_later_and_end_in_a_general_sentence(
    table: JobTable, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    job, times = add(table), []

    def work(job: Job, progress: Progress) -> dict:
        times.append(time.monotonic())
        raise error

    with caplog.at_level(logging.ERROR):
        do_all(table, work)
    dead = get(table, job)
    assert (dead.state, dead.error, len(times)) == ("dead", WENT_WRONG, 3)
    assert times[1] - times[0] >= CONFIG.retry_s and times[2] - times[1] >= 4 * CONFIG.retry_s
    assert len(caplog.records) == 3 and (isinstance(error, SystemExit) or "secret" in caplog.text)


def test_results_that_are_no_json_fail(table: JobTable) -> None:
    job = add(table)
    do_all(table, lambda job, progress: {"loss": float("nan")})
    assert get(table, job).state == "dead"


@pytest.mark.parametrize("raises", [True, False])
def test_cancelled_work_leaves_nothing(table: JobTable, tmp_path: Path, raises: bool) -> None:
    job, asked = add(table), []

    def work(job: Job, progress: Progress) -> Made:
        with result_folder(tmp_path / "out", job.id) as folder:
            table.cancel(job.id, tenant="ann")
            wait_until(lambda: progress.cancelled)
            asked.append(job.id)
            if raises:
                progress.stage("The next")
        return Made({}, folder.final)

    do_all(table, work)
    assert (get(table, job).state, asked) == ("cancelled", [job.id])
    assert list((tmp_path / "out").iterdir()) == []
    assert table.result(job.id, tenant="ann") is None


def test_lost_work_is_thrown_away(table: JobTable, tmp_path: Path) -> None:
    job, taken = add(table), []

    def work(job: Job, progress: Progress) -> Made:
        with result_folder(tmp_path / "out", job.id):
            assert table.release("w") == 1
            taken.append(table.lease("other", 60))
            wait_until(lambda: progress.cancelled)
        with result_folder(tmp_path / "out", job.id) as folder:
            pass
        assert table.finish(taken[0], {"by": "other"})
        return Made({"by": "w"}, folder.final)

    do_all(table, work)
    assert get(table, job).result == {"by": "other"} and get(table, job).attempt == 2
    assert table.result(job.id, tenant="ann") is None
    names = [path.name for path in (tmp_path / "out").iterdir()]
    assert len(names) == 1, "what this test itself made and did not hand over"


def test_cancelled_without_reason_comes_again(table: JobTable) -> None:
    job = add(table)

    def work(job: Job, progress: Progress) -> dict:
        if job.attempt == 1:
            raise CancelledError("Cancelled; nothing was written.")
        return {"attempt": job.attempt}

    do_all(table, work)
    assert get(table, job).result == {"attempt": 2}


class Unreliable(SqliteTable):
    """Its answers to `finish` are lost twice: once before and once after it is done."""

    lost = 0

    def finish(
        self, lease: Lease, result: Mapping[str, Any], *, folder: str | None = None,
        revises: Result | None = None,
    ) -> bool:  # fmt: skip
        self.lost += 1
        if self.lost == 1:
            raise StorageError("The jobs' database is busy; try again later.")
        done = super().finish(lease, result, folder=folder, revises=revises)
        if self.lost == 2:
            raise StorageError("The jobs' database cannot be reached.")
        return done


def test_a_lost_answer_loses_no_result(tmp_path: Path) -> None:
    table = Unreliable(tmp_path / "jobs.sqlite")
    job = add(table)
    do_all(table, partial(job_cases.make_files, tmp_path / "out"))
    result = table.result(job.id, tenant="ann")
    assert table.lost == 3 and result is not None and get(table, job).state == "done"
    assert job_cases.whole(tmp_path / "out" / result.folder)
    table.close()


def test_a_lost_answer_loses_no_revision(tmp_path: Path) -> None:
    table = Unreliable(tmp_path / "jobs.sqlite")
    job = add(table)
    do_all(table, partial(job_cases.make_files, tmp_path / "out"))
    old = table.result(job.id, tenant="ann")
    assert old is not None
    table.lost = 0
    edit = add(table)

    def work(job: Job, progress: Progress) -> Made:
        made = job_cases.make_files(tmp_path / "out", job, progress)
        return replace(made, revises=old)

    do_all(table, work)
    new = table.result(job.id, tenant="ann")
    assert table.lost == 3 and new is not None and get(table, edit).state == "done"
    assert new.version == 2 and job_cases.whole(tmp_path / "out" / new.folder)
    table.close()


def test_a_lost_race_costs_no_attempt(table: JobTable, tmp_path: Path) -> None:
    first = add(table)
    do_all(table, partial(job_cases.make_files, tmp_path / "out"))
    old = table.result(first.id, tenant="ann")
    assert old is not None
    edit = add(table)
    races = iter(range(5))

    def work(job: Job, progress: Progress) -> Made:
        current = table.result(first.id, tenant="ann")
        assert current is not None
        if next(races, None) is not None:
            table.revise_result(first.id, tenant="ann", version=current.version)
        return replace(job_cases.make_files(tmp_path / "out", job, progress), revises=current)

    do_all(table, work)
    assert get(table, edit).state == "done"
    result = table.result(first.id, tenant="ann")
    assert result is not None and result.version == 1 + 5 + 1


def test_a_worker_over_its_memory_ends_after_its_job(table: JobTable) -> None:
    first, second = add(table), add(table)
    config = WorkerConfig(memory=worker_module.memory_held() // 3 * 2, lease_s=60)
    Worker(table, lambda job, progress: {}, name="w", config=config).run()
    assert [get(table, job).state for job in (first, second)] == ["done", "queued"]


def test_memory_held_is_what_is_held() -> None:
    before = worker_module.memory_held()
    block = bytearray(os.urandom(1 << 20) * 200)
    grown = worker_module.memory_held() - before
    assert 150 << 20 < grown < 450 << 20
    assert len(block) == 200 << 20


def test_a_job_that_takes_far_too_much_ends_its_worker(url: str, tmp_path: Path) -> None:
    table = open_jobs(url)
    job = add(table)
    config = WorkerConfig(memory=1, lease_s=0.3, poll_s=0.01, retry_s=0.0)
    with Workers(url, 1, partial(job_cases.hold_memory, tmp_path), config=config, backoff_s=0.01):
        wait_until(lambda: get(table, job).state == "dead")
    assert (get(table, job).error, get(table, job).attempt) == (TOO_LARGE, 3)
    table.close()


@pytest.mark.parametrize("told", ["worker", "supervisor"])
def test_sigterm_gives_the_job_back(url: str, tmp_path: Path, told: str) -> None:
    table = open_jobs(url)
    job = add(table)
    work = partial(job_cases.wait_for_signal, tmp_path)
    start = time.monotonic()
    with Workers(url, 1, work, config=WorkerConfig(poll_s=0.05)) as workers:
        wait_until((tmp_path / "started").exists)
        if told == "worker":
            (tmp_path / "started").unlink()
            os.kill(workers.pids[0], signal.SIGTERM)
            wait_until((tmp_path / "started").exists)
        pids = workers.pids
        assert get(table, job).attempt == 1
    assert (get(table, job).state, get(table, job).attempt) == ("queued", 0)
    assert time.monotonic() - start < 20, "the work would have taken a minute"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    table.close()


PROGRAM = """
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from job_cases import wait_for_signal
from portraiture.jobs.supervisor import run_workers
run_workers(sys.argv[1], 1, partial(wait_for_signal, Path(sys.argv[2])))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_of_workers_ends_on_signals(url: str, tmp_path: Path, number: int) -> None:
    table = open_jobs(url)
    job = add(table)
    command = [sys.executable, "-c", PROGRAM, url, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as program:
        wait_until((tmp_path / "started").exists)
        program.send_signal(number)
        _, errors = program.communicate(timeout=PATIENCE_S)
    assert (program.returncode, errors) == (0, b"")
    assert (get(table, job).state, get(table, job).attempt) == ("queued", 0)
    table.close()
