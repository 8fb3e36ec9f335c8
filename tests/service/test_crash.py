"""kill -9 of the server with its workers at random moments, while a client posts: what was accepted
is done, once, whole, and what was posted again under its key is not done again."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import job_cases
import pytest
import service_program

from portraiture.jobs.open import open_jobs

PATIENCE_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """The service, as a program of its own."""

    def __init__(self, folder: Path, database: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        arguments = (str(self.port), str(folder), database)
        self._command = [sys.executable, service_program.__file__, *arguments]
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, env=self._environment, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def kill(self, *, workers: bool) -> None:
        """The server alone, whose workers find that it is gone, or all processes."""
        with suppress(ProcessLookupError):
            if workers:
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        self.process.wait()


@pytest.fixture
def program(url: str, tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path / "service", url if "://" in url else "")
    yield program
    program.kill(workers=True)


def insist(program: Program, method: str, path: str, **request: object) -> httpx.Response:
    """Ask until there is an answer, as a client does that has an idempotency key."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            return httpx.request(method, program.url + path, timeout=5.0, **request)  # type: ignore[arg-type]
        time.sleep(0.05)
    raise AssertionError("the service does not answer any more")


def post(program: Program, number: int) -> str:
    headers = {"Idempotency-Key": f"job {number}"}
    answer = insist(program, "POST", "/v1/avatars", json={"seed": number}, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


@pytest.mark.parametrize("moments", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_lose_and_repeat_nothing(
    url: str, tmp_path: Path, program: Program, moments: int
) -> None:
    url = url if "://" in url else str(tmp_path / "service" / "jobs.sqlite")
    rng, ids = random.Random(moments), []
    for moment in range(moments):
        ids += [post(program, number) for number in range(4 * moment, 4 * moment + 4)]
        time.sleep(rng.uniform(0.0, 2 * job_cases.SECONDS))
        program.kill(workers=moment % 2 == 0)
        program.start()
    assert [post(program, number) for number in range(len(ids))] == ids
    end = time.monotonic() + PATIENCE_S
    while ids and time.monotonic() < end:
        states = {id: insist(program, "GET", f"/v1/jobs/{id}").json()["state"] for id in ids}
        if set(states.values()) <= {"done", "failed", "dead"}:
            break
        time.sleep(0.2)
    assert set(states.values()) == {"done"}, states
    listed = insist(program, "GET", "/v1/avatars?limit=100").json()["avatars"]
    assert sorted(one["id"] for one in listed) == sorted(ids)
    whole = [path for path in (tmp_path / "service" / "results").iterdir() if path.name[0] != "."]
    assert all(map(job_cases.whole, whole))
    assert {path.name[:32] for path in whole} == set(ids)
    table = open_jobs(url)
    assert len(table.in_use().folders) == len(ids)
    table.close()
