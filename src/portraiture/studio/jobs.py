"""Long work of the studio: one thread each, watched and cancelled by the page."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from portraiture.errors import CancelledError, PortraitureError

log = logging.getLogger(__name__)
Kind = Literal["make", "export"]
State = Literal["running", "done", "failed", "cancelled"]
KEPT = 8
"""Jobs that are remembered after their end, with what they made."""
UNEXPECTED = "Something went wrong in the program; the terminal in which it runs says more."


@dataclass(frozen=True)
class Made:
    """A file for the user."""

    name: str
    media_type: str
    data: bytes


class JobProgress:
    """A `portraiture.progress.Progress` that is read from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages: list[str] = []
        self._done, self._total = 0, None
        self._cancel = threading.Event()

    def stage(self, name: str, total: int | None = None) -> None:
        with self._lock:
            self._stages.append(name)
            self._done, self._total = 0, total

    def step(self, n: int = 1, **scalars: float) -> None:
        with self._lock:
            self._done += n

    @property
    def cancelled(self) -> bool:
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Ask the work to end."""
        self._cancel.set()

    def report(self) -> dict[str, Any]:
        """The stages so far and the steps of the one that runs."""
        with self._lock:
            return {"stages": list(self._stages), "done": self._done, "total": self._total}


@dataclass(eq=False)
class Job:
    """Work that runs or has ended. error: one sentence. made: a file, where it was to make one."""

    kind: Kind
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    progress: JobProgress = field(default_factory=JobProgress)
    state: State = "running"
    error: str = ""
    made: Made | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def report(self) -> dict[str, Any]:
        """What the page shows of it."""
        about = {"id": self.id, "state": self.state, "error": self.error}
        return about | self.progress.report()

    def cancel(self) -> None:
        """Ask the work to end; for the page it has ended now."""
        self.progress.cancel()
        self.end("cancelled")

    def commit(self, effect: Callable[[], None]) -> None:
        """Do what the work was for, and end it well: it is either cancelled or has had its effect.
        Raises CancelledError."""
        with self._lock:
            if self.state != "running":
                raise CancelledError
            effect()
            self.state = "done"

    def end(self, state: State, error: str = "") -> None:
        """End the work, where it has not ended."""
        with self._lock:
            if self.state == "running":
                self.error, self.state = error, state


class Jobs:
    """The studio's jobs. A new one of a kind cancels the one that runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def start(self, kind: Kind, work: Callable[[Job], Made | None]) -> Job:
        """Run `work` in a thread of its own."""
        job = Job(kind)
        with self._lock:
            for other in self._jobs.values():
                if other.kind == kind and other.state == "running":
                    other.cancel()
            self._jobs[job.id] = job
            ended = [key for key, one in self._jobs.items() if one.state != "running"]
            for key in ended[:-KEPT]:
                del self._jobs[key]
        threading.Thread(
            target=_run, args=(job, work), name=f"portraiture-{kind}", daemon=True
        ).start()
        return job

    def get(self, key: str) -> Job | None:
        """The job of an id, where it is remembered."""
        with self._lock:
            return self._jobs.get(key)

    def cancel_all(self) -> None:
        """Ask all work to end."""
        with self._lock:
            for job in self._jobs.values():
                job.cancel()


def _run(job: Job, work: Callable[[Job], Made | None]) -> None:
    state, error = "done", ""
    try:
        job.made = work(job)
    except CancelledError:
        state = "cancelled"
    except PortraitureError as problem:
        state, error = "failed", str(problem)
    except Exception:
        log.exception("A job of the studio failed.")
        state, error = "failed", UNEXPECTED
    job.end(state, error)
    with suppress(RuntimeError):
        job.ended.set()
