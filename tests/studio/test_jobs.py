"""Long work: progress, ends, cancelling, one of a kind at a time, and nothing private in errors."""

from __future__ import annotations

import threading

import pytest

from portraiture.errors import CancelledError, PhotoError
from portraiture.progress import raise_if_cancelled
from portraiture.studio.jobs import KEPT, UNEXPECTED, Job, Jobs, Made

FILE = Made("a.txt", "text/plain", b"a")


def finished(job: Job) -> Job:
    assert job.ended.wait(10.0)
    return job


def until_cancelled(job: Job) -> None:
    job.progress.stage("Wait", 1000)
    while True:
        threading.Event().wait(0.005)
        job.progress.step()
        raise_if_cancelled(job.progress)


def test_work_is_reported_and_ends() -> None:
    def work(job: Job) -> Made:
        job.progress.stage("One")
        job.progress.stage("Two", 5)
        job.progress.step(3)
        return FILE

    job = finished(Jobs().start("export", work))
    assert job.made is FILE
    report = job.report()
    assert (report["state"], report["stages"]) == ("done", ["One", "Two"])
    assert (report["done"], report["total"]) == (3, 5)


def test_a_new_one_of_a_kind_cancels_the_old_one() -> None:
    jobs = Jobs()
    old, other = jobs.start("make", until_cancelled), jobs.start("export", until_cancelled)
    new = jobs.start("make", until_cancelled)
    assert finished(old).state == "cancelled"
    assert (other.state, new.state) == ("running", "running")
    jobs.cancel_all()
    assert {finished(job).state for job in (other, new)} == {"cancelled"}


def test_cancelling_is_final() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def deaf(job: Job) -> Made:
        begun.set()
        go_on.wait(10.0)
        return FILE

    job = Jobs().start("export", deaf)
    begun.wait(10.0)
    job.cancel()
    assert job.state == "cancelled", "the page does not wait for work that cannot stop"
    go_on.set()
    assert finished(job).state == "cancelled"


def test_errors_are_sentences(caplog: pytest.LogCaptureFixture) -> None:
    def refused(job: Job) -> None:
        raise PhotoError("No face was found; use another photo.")

    def broken(job: Job) -> None:
        raise RuntimeError("/home/someone/secret")

    job = finished(Jobs().start("make", refused))
    assert (job.state, job.error) == ("failed", "No face was found; use another photo.")
    job = finished(Jobs().start("make", broken))
    assert (job.state, job.error) == ("failed", UNEXPECTED)
    assert "secret" in caplog.text


def test_old_work_is_forgotten() -> None:
    jobs = Jobs()
    done = [finished(jobs.start("export", lambda job: FILE)) for _ in range(KEPT + 4)]
    assert jobs.get(done[0].id) is None
    assert jobs.get(done[-1].id) is done[-1]


def test_work_is_cancelled_or_has_its_effect() -> None:
    effects: list[str] = []
    job = Job("make")
    job.cancel()
    with pytest.raises(CancelledError):
        job.commit(lambda: effects.append("too late"))
    assert (job.state, effects) == ("cancelled", [])

    begun, cancelled = threading.Event(), threading.Event()

    def effect() -> None:
        begun.set()
        cancelled.wait(0.2)
        effects.append("there")

    def work(job: Job) -> None:
        job.commit(effect)

    job = Jobs().start("make", work)
    begun.wait(10.0)
    job.cancel()
    cancelled.set()
    assert (finished(job).state, effects) == ("done", ["there"])
