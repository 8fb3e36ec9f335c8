"""kill -9 of workers, of their supervisor and of both, at random moments under load: no job is
lost, none done twice, and no file is half written."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import job_cases
import pytest

from portraiture.jobs.folders import NAME, sweep
from portraiture.jobs.open import open_jobs
from portraiture.jobs.table import JobTable

PATIENCE_S = 60.0
BETWEEN = 3
"""Jobs that are done between two kills, so that none meets three."""


class Program:
    """The workers' supervisor, as a program of its own."""

    def __init__(self, url: str, root: Path) -> None:
        self._command = [sys.executable, job_cases.__file__, url, str(root)]
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, env=self._environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def kill(self, what: str, number: int) -> None:
        """A worker, the supervisor or both; the supervisor then starts anew."""
        assert self.process.stdin is not None
        if what != "supervisor":
            self.process.stdin.write(f"{what} {number}\n")
            self.process.stdin.flush()
        if what == "both":
            self.process.wait(PATIENCE_S)
        if what != "worker":
            self.end()
            self.start()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            _, errors = self.process.communicate(timeout=PATIENCE_S)
            assert "Traceback" not in errors, errors
            assert self.process.returncode == 0
            return
        self.end()
        raise AssertionError("the supervisor does not stop")


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "nothing happens any more"
        time.sleep(0.02)


def count(table: JobTable, state: str) -> int:
    return dict(table.counts().by_state).get(state, 0)


def gone(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


@pytest.fixture
def program(url: str, tmp_path: Path) -> Iterator[Program]:
    root = tmp_path / "results"
    root.mkdir()
    program = Program(url, root)
    yield program
    program.end()


@pytest.mark.parametrize("moments", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_lose_and_repeat_nothing(
    url: str, tmp_path: Path, program: Program, moments: int
) -> None:
    table, root, rng = open_jobs(url), tmp_path / "results", random.Random(moments)
    jobs = [
        table.enqueue("avatar", {"n": n}, tenant="ann").id for n in range((BETWEEN + 2) * moments)
    ]
    for moment in range(moments):
        enough = min(moment * BETWEEN, len(jobs) - 2)
        wait_until(lambda: count(table, "running") > 0 and count(table, "done") >= enough)  # noqa: B023
        time.sleep(rng.uniform(0.0, job_cases.SECONDS))
        program.kill(("worker", "supervisor", "both")[moment % 3], moment)
    wait_until(lambda: count(table, "queued") + count(table, "running") == 0)
    program.stop()

    assert dict(table.counts().by_state) == {"done": len(jobs)}
    results = table.results(tenant="ann", limit=1000)
    assert sorted(result.id for result in results) == sorted(jobs)
    assert len({result.folder for result in results}) == len(jobs)
    assert all(result.folder.startswith(result.id) for result in results)
    pids = {int(line) for line in (tmp_path / "pids").read_text().split()}
    wait_until(lambda: all(map(gone, pids)))
    left = [path for path in root.iterdir() if not path.name.startswith(".")]
    assert all(map(job_cases.whole, left))
    sweep(table, root, grace=0.0)
    assert {path.name for path in root.iterdir()} == {result.folder for result in results}
    table.close()


def test_what_a_sweep_leaves(url: str, tmp_path: Path) -> None:
    table, root = open_jobs(url), tmp_path
    ids = [table.enqueue("avatar", {}, tenant="ann").id for _ in range(3)]
    done, running = table.lease("w", 60), table.lease("w", 60)
    assert done is not None and running is not None
    names = {
        "named": f"{ids[0]}-{'1' * 8}", "lost": f"{ids[0]}-{'2' * 8}",
        "made now": f".{ids[1]}-{'3' * 8}.partial", "unrecorded": f"{ids[1]}-{'4' * 8}",
        "broken off": f".{ids[2]}-{'5' * 8}.partial", "forgotten": f"{'f' * 32}-{'6' * 8}",
        "somebody's": "photos", "like ours": f"{ids[2]}-x",
    }  # fmt: skip
    for name in names.values():
        (root / name).mkdir()
        (root / name / "file").touch()
    assert table.finish(done, {}, folder=names["named"])
    assert sweep(table, root, grace=60.0) == []
    removed = sweep(table, root, grace=0.0)
    assert set(removed) == {names[which] for which in ("lost", "broken off", "forgotten")}
    left = {path.name for path in root.iterdir() if path.name in names.values()}
    assert left == set(names.values()) - set(removed)
    assert NAME.fullmatch(names["like ours"]) is None
    table.close()
