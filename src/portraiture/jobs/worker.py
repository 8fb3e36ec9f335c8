"""A worker: does one job after the other until it is told to leave.

lease ─▶ work(job, progress) ─▶ finish, with the folder that it made
              │ heartbeats, from a thread of their own: progress there; "cancel", "lost" back
              └──▶ PortraitureError: failed, in its sentence · anything else: again, later
                   PostponedError: again, at the time it names, without counting the attempt
SIGTERM: the job goes back to the queue and no attempt is counted.

Memory is limited by what the process holds, not by its addresses (RLIMIT_AS): torch, numba and CUDA
reserve many times what they use, and an allocation that fails inside them ends the process without
a word. A worker that holds more than the limit ends after its job, which gives back what leaks and
fragments; one that holds twice as much ends at once, and its job fails in a sentence.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from portraiture.errors import (
    CancelledError,
    OutputError,
    PortraitureError,
    PostponedError,
    RevisedError,
    StorageError,
)
from portraiture.jobs.open import open_jobs
from portraiture.jobs.table import Job, JobTable, Lease, Result
from portraiture.processes import configure_process
from portraiture.progress import Progress, raise_if_cancelled

log = logging.getLogger(__name__)

WENT_WRONG = "Something went wrong on our side; try again later."
TOO_LARGE = "The work needs more memory than it may have; try a smaller photo."
BEAT_S = 1.0
"""Between heartbeats."""
NICENESS = 10
"""So that who answers requests meanwhile is served first."""
TRIES, TRY_S = 6, 1.0
"""How often the end of a job is told to a database that fails, and seconds between, doubled."""


@dataclass(frozen=True)
class Made:
    """What the work on a job made. result: JSON for whoever asked. folder: from
    `jobs.folders.result_folder`, to be recorded with the end of the job. revises: the result whose
    next version it is, instead of a new one."""

    result: Mapping[str, Any]
    folder: Path | None = None
    revises: Result | None = None


Work = Callable[[Job, Progress], Mapping[str, Any] | Made]
"""Does a job. It raises PortraitureError where its input is no good, PostponedError where it is too
early, CancelledError when `progress.cancelled`; `progress.stage` raises that by itself."""


@dataclass(frozen=True)
class WorkerConfig:
    """kinds: of jobs to do, all by default. lease_s: seconds without a heartbeat after which
    another worker takes the job. poll_s: between looks at an empty queue. retry_s: until the second
    attempt; four times as long until the third. memory: bytes that a worker may hold (above), None
    for no limit. threads: of OpenMP and numba, by default all cores."""

    kinds: tuple[str, ...] = ()
    lease_s: float = 60.0
    poll_s: float = 0.25
    retry_s: float = 2.0
    memory: int | None = None
    threads: int | None = None


class LeaseProgress:
    """A `Progress` that keeps a lease inside `with`: a thread sends heartbeats, with the newest
    stage and step, about once a second.

    told: what the last heartbeat said. leaving: whether the worker has been told to leave.
    """

    def __init__(
        self, table: JobTable, lease: Lease, config: WorkerConfig, leaving: Callable[[], bool]
    ) -> None:
        self.told: Literal["go on", "cancel", "lost"] = "go on"
        self._table, self._lease, self._config, self._leaving = table, lease, config, leaving
        self._stage, self._done, self._total = "", 0, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> LeaseProgress:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._ended.set()
        self._thread.join()

    def stage(self, name: str, total: int | None = None) -> None:
        raise_if_cancelled(self)
        self._stage, self._done, self._total = name, 0, total or 0

    def step(self, n: int = 1, **scalars: float) -> None:
        self._done += n

    @property
    def cancelled(self) -> bool:
        return self.told != "go on" or self._leaving()

    def _beat(self) -> None:
        seconds, limit = self._config.lease_s, self._config.memory
        while not self._ended.wait(min(BEAT_S, seconds / 3)):
            try:
                self.told = self._table.heartbeat(
                    self._lease, seconds, stage=self._stage, done=self._done, total=self._total
                )
            except StorageError as error:
                log.warning("no heartbeat of job %s: %s", self._lease.job.id, error)
            if limit is not None and memory_held() > 2 * limit:
                self._give_up()

    def _give_up(self) -> None:
        """End the process, which would take the memory of all others."""
        log.error("job %s takes twice the memory of a worker", self._lease.job.id)
        try:
            self._table.fail(self._lease, TOO_LARGE, again=True, delay=self._config.retry_s)
        finally:
            os._exit(1)


class Worker:
    """Does the jobs of a table. name: of this worker alone, see `JobTable.release`."""

    def __init__(
        self, table: JobTable, work: Work, *, name: str, config: WorkerConfig | None = None
    ) -> None:
        self._table, self._work, self._name = table, work, name
        self._config = config or WorkerConfig()
        self._leaving = False
        self._working: int | None = None
        """The thread that is at work."""

    def leave(self) -> None:
        """End soon. Called by a signal handler in the thread that works, it interrupts the work."""
        self._leaving = True
        if self._working == threading.get_ident():
            raise SystemExit(0)

    def run(self) -> None:
        """Do jobs until told to leave, the parent process has ended, or memory is over its limit
        after a job."""
        limit, parent = self._config.memory, multiprocessing.parent_process()
        while not self._leaving and (parent is None or parent.is_alive()):
            try:
                lease = self._table.lease(self._name, self._config.lease_s, self._config.kinds)
            except StorageError as error:
                log.warning("no jobs can be leased: %s", error)
                time.sleep(max(TRY_S, self._config.poll_s))
                continue
            if lease is None:
                time.sleep(self._config.poll_s)
                continue
            self._do(lease)
            if limit is not None and memory_held() > limit:
                log.warning("a worker holds %d MB and ends", memory_held() >> 20)
                return

    def _do(self, lease: Lease) -> None:
        """One attempt, and its end in the table."""
        progress = LeaseProgress(self._table, lease, self._config, lambda: self._leaving)
        try:
            with progress:
                made = self._attempt(lease.job, progress)
            if progress.cancelled:
                discard(made)
                self._settle(lambda: self._break_off(lease, progress))
            else:
                self._settle(lambda: self._keep(lease, made))
        except CancelledError:
            self._settle(lambda: self._break_off(lease, progress))
        except PostponedError as error:
            delay = error.delay
            self._settle(lambda: self._table.give_back(lease, delay=delay))
        except PortraitureError as error:
            if isinstance(error, OutputError | StorageError):  # ours, and its paths too
                log.error("job %s: %s", lease.job.id, error)
                self._fail(lease, WENT_WRONG, again=True)
            else:
                self._fail(lease, str(error), again=False)
        except BaseException as error:
            if self._leaving:
                self._settle(lambda: self._break_off(lease, progress))
                return
            log.exception("job %s failed at attempt %d", lease.job.id, lease.job.attempt)
            self._fail(lease, WENT_WRONG, again=True)
            if not isinstance(error, Exception | SystemExit):
                raise

    def _attempt(self, job: Job, progress: Progress) -> Made:
        self._working = threading.get_ident()
        try:
            made = self._work(job, progress)
        finally:
            self._working = None
        return made if isinstance(made, Made) else Made(made)

    def _keep(self, lease: Lease, made: Made) -> None:
        """Record what was made; where the lease is lost, remove it."""
        name = None if made.folder is None else made.folder.name
        try:
            if self._table.finish(lease, made.result, folder=name, revises=made.revises):
                return
        except RevisedError:  # somebody else got on; that is no failure of this attempt
            discard(made)
            self._table.give_back(lease)
            return
        id = lease.job.id if made.revises is None else made.revises.id
        kept = self._table.result(id, tenant=lease.job.tenant)
        if kept is None or kept.folder != name:  # else it was recorded before the answer was lost
            discard(made)

    def _break_off(self, lease: Lease, progress: LeaseProgress) -> None:
        if progress.told == "cancel":
            self._table.stop(lease)
        elif self._leaving:
            self._table.give_back(lease)
        elif progress.told == "go on":
            self._table.fail(lease, WENT_WRONG, again=True)

    def _fail(self, lease: Lease, error: str, *, again: bool) -> None:
        delay = self._config.retry_s * 4 ** (lease.job.attempt - 1)
        self._settle(lambda: self._table.fail(lease, error, again=again, delay=delay))

    def _settle(self, tell: Callable[[], object]) -> None:
        """Tell the table, again where it fails. In the end the lease runs out by itself."""
        for attempt in range(TRIES):
            try:
                tell()
                return
            except StorageError as error:
                log.warning("the end of a job cannot be recorded: %s", error)
                time.sleep(TRY_S * 2**attempt)


def discard(made: Made) -> None:
    """Remove what nobody wants any more."""
    if made.folder is not None:
        shutil.rmtree(made.folder, ignore_errors=True)


def memory_held() -> int:
    """Bytes of memory that this process holds; where the system does not say, the most that it ever
    held, or 0."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def enter(url: str, work: bytes, name: str, config: WorkerConfig) -> None:
    """Main function of a worker's process. work: a pickled `Work`, since unpickling imports numpy
    and torch, which read the environment then."""
    configure_process()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    if config.threads is not None:
        for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
            os.environ.setdefault(variable, str(config.threads))
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(processName)s %(message)s")
    table = open_jobs(url)
    worker = Worker(table, pickle.loads(work), name=name, config=config)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the supervisor tells us
    signal.signal(signal.SIGTERM, lambda number, frame: worker.leave())
    try:
        worker.run()
    finally:
        table.close()
