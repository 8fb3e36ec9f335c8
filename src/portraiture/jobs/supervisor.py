"""Keeps worker processes going.

Workers(url, 2, work) ─spawn─▶ worker, worker ─dies─▶ its job waits anew, another worker starts
A worker that dies soon after its start is replaced later and later.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import secrets
import signal
import socket
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType

from portraiture.errors import JobError, StorageError
from portraiture.jobs.folders import GRACE_S, sweep
from portraiture.jobs.open import open_jobs
from portraiture.jobs.worker import Work, WorkerConfig, enter

log = logging.getLogger(__name__)

LOOK_S = 0.25
LONGEST_BACKOFF_S = 60.0
SETTLED_S = 60.0
"""A worker that has lived so long died for a reason of its own: the next starts at once."""


@dataclass
class _Slot:
    """Of one worker. due: monotonic time from when another one may start."""

    process: BaseProcess | None = None
    name: str = ""
    started: float = 0.0
    failures: int = 0
    due: float = 0.0


class Workers:
    """`count` worker processes inside `with`, watched by a thread.

    url: of the table, see `open_jobs`. work: picklable; every process has its own, and networks
    that it loads. results: folder of results, which is swept at the start and now and then.
    backoff_s: before a worker that died young is replaced, doubled every time. stop_s: that
    workers have to leave before they are killed. Raises JobError or StorageError.
    """

    def __init__(
        self, url: str | Path, count: int, work: Work, *, config: WorkerConfig | None = None,
        results: Path | None = None, backoff_s: float = 1.0, stop_s: float = 10.0,
        sweep_grace_s: float = GRACE_S,
    ) -> None:  # fmt: skip
        if count < 1:
            raise ValueError("there must be at least one worker")
        config = config or WorkerConfig()
        if config.threads is None:
            config = replace(config, threads=max(1, (os.cpu_count() or 1) // count))
        self._arguments = str(url), pickle.dumps(work)
        self._config, self._results, self._grace_s = config, results, sweep_grace_s
        self._backoff_s, self._stop_s = backoff_s, stop_s
        self._table = open_jobs(url)
        self._slots = [_Slot() for _ in range(count)]
        self._context = multiprocessing.get_context("spawn")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="workers")

    def __enter__(self) -> Workers:
        self._sweep()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Let the workers give their jobs back and end."""
        self._stopping.set()
        self._thread.join()
        self._table.close()

    @property
    def running(self) -> bool:
        """Whether the workers are watched, as they are until the end of the block."""
        return self._thread.is_alive()

    @property
    def pids(self) -> list[int]:
        """Of the workers that live."""
        living = [slot.process for slot in self._slots if slot.process is not None]
        return [process.pid for process in living if process.pid is not None]

    def _watch(self) -> None:
        try:
            swept = time.monotonic()
            while not self._stopping.is_set():
                try:
                    self._round()
                except Exception:  # whatever it is, workers are needed
                    log.exception("the workers' supervisor")
                    self._stopping.wait(LOOK_S)
                if time.monotonic() > swept + GRACE_S:
                    swept = time.monotonic()
                    self._sweep()
        finally:
            self._stop()

    def _round(self) -> None:
        """Start who is due, and wait for who ends."""
        for slot in self._slots:
            if slot.process is None and time.monotonic() >= slot.due:
                self._start(slot)
        self._look(LOOK_S)

    def _start(self, slot: _Slot) -> None:
        slot.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        slot.started = time.monotonic()
        process = self._context.Process(
            target=enter, args=(*self._arguments, slot.name, self._config), name="worker"
        )
        try:
            process.start()
        except OSError as error:  # no memory or no processes left, for now
            log.warning("a worker does not start: %s", error)
            self._postpone(slot)
        else:
            slot.process = process

    def _postpone(self, slot: _Slot) -> None:
        pause = min(self._backoff_s * 2 ** min(slot.failures, 10), LONGEST_BACKOFF_S)
        slot.failures, slot.due = slot.failures + 1, time.monotonic() + pause

    def _look(self, seconds: float) -> None:
        """Wait for workers that end, and note when their successors may start."""
        living = [slot for slot in self._slots if slot.process is not None]
        sentinels = [slot.process.sentinel for slot in living if slot.process is not None]
        if not sentinels:
            self._stopping.wait(seconds)
        ended = set(wait(sentinels, seconds)) if sentinels else set()
        for slot in living:
            if slot.process is not None and slot.process.sentinel in ended:
                self._bury(slot, slot.process)

    def _bury(self, slot: _Slot, process: BaseProcess) -> None:
        process.join()
        if process.exitcode == 0 or time.monotonic() - slot.started > SETTLED_S:
            slot.failures, slot.due = 0, 0.0
        else:
            self._postpone(slot)
            log.warning("a worker ended with exit code %s", process.exitcode)
        self._release(slot, free=process.exitcode == 0)
        slot.process = None
        process.close()

    def _stop(self) -> None:
        for slot in self._slots:
            if slot.process is not None:
                slot.process.terminate()
        end = time.monotonic() + self._stop_s
        for slot in self._slots:
            if (process := slot.process) is not None:
                process.join(max(0.0, end - time.monotonic()))
                process.kill()
                process.join()
                self._release(slot, free=True)
                slot.process = None
                process.close()

    def _release(self, slot: _Slot, *, free: bool) -> None:
        """A worker that has ended holds no job; where the table fails, its lease runs out."""
        try:
            self._table.release(slot.name, free=free)
        except StorageError as error:
            log.warning("a dead worker's job waits for its lease to run out: %s", error)

    def _sweep(self) -> None:
        if self._results is not None:
            try:
                if removed := sweep(self._table, self._results, grace=self._grace_s):
                    log.warning("removed what lost attempts left: %s", ", ".join(removed))
            except (StorageError, OSError) as error:
                log.warning("results were not swept: %s", error)


def run_workers(
    url: str | Path, count: int, work: Work, *, config: WorkerConfig | None = None,
    results: Path | None = None, backoff_s: float = 1.0, stop_s: float = 10.0,
    sweep_grace_s: float = GRACE_S,
) -> None:  # fmt: skip
    """Keep `count` workers going (see `Workers`) until SIGTERM, SIGINT or SIGHUP comes; for the
    main thread of a process of its own. Raises JobError or StorageError."""
    numbers = [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if os.name == "posix" else [])]
    before = {number: signal.getsignal(number) for number in numbers}
    seen: list[int] = []  # a list, since an event's lock may be held when the signal comes
    for number in numbers:
        signal.signal(number, lambda number, frame: seen.append(number))
    try:
        with Workers(
            url, count, work, config=config, results=results, backoff_s=backoff_s, stop_s=stop_s,
            sweep_grace_s=sweep_grace_s,
        ) as workers:  # fmt: skip
            while not seen and workers.running:
                time.sleep(LOOK_S)
        if not seen:
            raise JobError("The workers are not watched any more; see the log and start them anew.")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
