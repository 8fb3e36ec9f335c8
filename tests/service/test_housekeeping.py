"""Photos go when their job has ended, or later where the operator says so; tenants are told once;
jobs are forgotten."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from served import Served, make_served

from portraiture.errors import JobError, PostponedError
from portraiture.jobs.table import Job
from portraiture.jobs.worker import Worker, WorkerConfig
from portraiture.service.housekeeping import Housekeeping
from portraiture.service.signatures import webhook_secret
from portraiture.service.webhooks import announce, deliver, try_later
from portraiture.service.work import Work


def once(served: Served) -> None:
    service = served.service
    Housekeeping(service.settings, service.table, service.store).once()


def post_photo(served: Served, jpeg: bytes) -> str:
    answer = served.client.post("/v1/avatars", files={"photo": jpeg}, headers=served.alice)
    return answer.json()["id"]


def test_a_photo_goes_with_its_job(tmp_path: Path, jpeg: bytes) -> None:
    served = make_served(tmp_path)
    photo = served.service.store.photo(post_photo(served, jpeg))
    once(served)
    assert photo.exists(), "its job waits"
    served.work()
    once(served)
    assert not photo.exists()


def test_a_photo_may_stay_for_hours(tmp_path: Path, jpeg: bytes) -> None:
    served = make_served(tmp_path, photo_hours=2.0)
    photo = served.service.store.photo(post_photo(served, jpeg))
    os.utime(photo, (0, time.time() - 5 * 3600))
    house = Housekeeping(served.service.settings, served.service.table, served.service.store)
    house.once()
    assert photo.exists(), "its job waits"
    assert served.service.table.lease("w", 60.0)
    house.once()
    assert photo.exists(), "its job runs"
    served.service.table.release("w")
    served.work()
    house.once()
    assert photo.exists(), "its hours begin"
    os.utime(photo, (0, time.time() - 2.1 * 3600))
    house.once()
    assert not photo.exists()


def test_jobs_are_forgotten_and_results_are_not(tmp_path: Path) -> None:
    served = make_served(tmp_path, job_days=0.0)
    id = served.avatar(served.alice)
    once(served)
    assert served.client.get(f"/v1/jobs/{id}", headers=served.alice).status_code == 404
    assert served.client.get(f"/v1/avatars/{id}.glb", headers=served.alice).status_code == 200


class Receiver(BaseHTTPRequestHandler):
    """Remembers what it was sent."""

    seen: ClassVar[list[tuple[str, bytes]]] = []
    status: ClassVar[int] = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.headers["Portraiture-Signature"], body))
        self.send_response(self.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[str]:
    Receiver.seen.clear()
    Receiver.status = 200
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_tenant_is_told_once(tmp_path: Path) -> None:
    served = make_served(tmp_path, webhooks={"alice": "http://127.0.0.1:1/"})
    id = served.avatar(served.alice)
    served.avatar(served.bob)
    once(served)
    once(served)
    (told,) = served.work()
    assert (told.kind, told.tenant, told.payload) == ("webhook", "alice", {"job": id})
    once(served)
    assert served.work() == []


def test_what_is_delivered_is_signed(receiver: str) -> None:
    job = Job("a" * 32, "alice", "avatar", "done", {}, result={"style": "natural"})
    deliver(job, receiver, b"secret", 1234)
    ((header, body),) = Receiver.seen
    secret = webhook_secret(b"secret", "alice")
    mac = hmac.new(secret.encode(), b"1234." + body, hashlib.sha256).hexdigest()
    assert header == f"t=1234,v1={mac}"
    said = json.loads(body)
    assert said["event"] == "avatar.done" and said["job"]["id"] == job.id


@pytest.mark.parametrize("status", [302, 404, 500])
def test_who_does_not_take_it_is_told_again(receiver: str, status: int) -> None:
    Receiver.status = status
    with pytest.raises(OSError):
        deliver(Job("a" * 32, "alice", "avatar", "done", {}), receiver, b"s", 1)
    assert len(Receiver.seen) == 1, "redirects are not followed"


def test_it_is_told_for_a_day_ever_more_rarely() -> None:
    job = Job("a" * 32, "alice", "webhook", "running", {}, created=1000.0)
    tried, pauses = 0.0, []
    while isinstance(error := try_later(job, 1000.0 + tried), PostponedError):
        pauses.append(error.delay)
        tried += error.delay
    assert pauses[:4] == [2.0, 2.0, 4.0, 8.0] and max(pauses) == 3600.0
    assert 24 * 3600 < tried <= 25 * 3600 and len(pauses) < 50


def make_due(path: Path) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE portraiture_jobs SET due = 0 WHERE state = 'queued'")
    connection.close()


def test_a_receiver_that_is_down_costs_no_attempt(receiver: str, tmp_path: Path) -> None:
    served = make_served(tmp_path, webhooks={"alice": receiver})
    id = served.avatar(served.alice)
    table, work = served.service.table, Work(served.service.settings)
    announce(table, served.service.settings, table.get(id, tenant="alice"))
    Receiver.status = 503
    for _ in range(5):
        worker = Worker(table, work, name="w", config=WorkerConfig(poll_s=0.01))
        lease = table.lease("w", 60.0)
        assert lease is not None and lease.job.kind == "webhook" and lease.job.attempt == 1
        worker._do(lease)
        assert table.lease("w", 60.0) is None, "not at once"
        assert table.counts().by_state["queued"] == 1
        assert table.counts().oldest_wait == 0.0, "it waits for its time, not for a worker"
        make_due(tmp_path / "jobs.sqlite")
    Receiver.status = 200
    worker._do(table.lease("w", 60.0))
    assert table.counts().by_state == {"done": 2} and len(Receiver.seen) == 6


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/", "/etc/passwd"])
def test_only_http(address: str) -> None:
    with pytest.raises(JobError):
        deliver(Job("a" * 32, "alice", "avatar", "done", {}), address, b"s", 1)


def test_exports_are_nobodys_news(tmp_path: Path) -> None:
    served = make_served(tmp_path, webhooks={"alice": "http://127.0.0.1:1/"})
    job = Job("a" * 32, "alice", "export", "done", {})
    assert announce(served.service.table, served.service.settings, job) is None
