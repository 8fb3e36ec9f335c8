"""The photos of a batch in processes of this machine, which load their networks once."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from portraiture.batch.attempt import MakeDo, Outcome, Task, attempt
from portraiture.errors import BatchError, PortraitureError
from portraiture.processes import configure_process
from portraiture.progress import SILENT, Progress, raise_if_cancelled

LOOK_S = 0.2
LOADED = "loaded"


class _Worker:
    """One process. task: that it does now. loaded: whether it has got ready for the first."""

    def __init__(self, make: bytes) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs, make))
        self.process.start()
        theirs.close()
        self.task: Task | None = None
        self.loaded = False

    def give(self, task: Task) -> None:
        self.task = task
        with suppress(OSError):  # it has ended, which `_outcome` finds
            self.connection.send(task)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()
        self.process.close()


def in_workers(
    make: MakeDo, tasks: Sequence[Task], workers: int, progress: Progress = SILENT
) -> Generator[tuple[Task, Outcome], None, None]:
    """Each task with its outcome, as they end, from `workers` processes of one thread each.

    A photo that ends its process has failed, and another process goes on. Raises BatchError where
    a process does not get ready, CancelledError; then all processes are ended.
    """
    waiting, packed = deque(tasks), pickle.dumps(make)
    living: list[_Worker] = []
    try:
        living += [_Worker(packed) for _ in range(min(workers, len(tasks)))]
        while living:
            raise_if_cancelled(progress)
            handles = {worker.connection: worker for worker in living}
            for handle in wait(list(handles), LOOK_S):
                worker = handles[handle]  # type: ignore[index]
                if (found := _outcome(worker)) is not None:
                    yield found
                ended = worker.process.exitcode is not None
                if waiting and not ended:
                    worker.give(waiting.popleft())
                    continue
                living.remove(worker)
                worker.end()
                if waiting:
                    living.append(_Worker(packed))
    finally:
        for worker in living:
            worker.end()


def _outcome(worker: _Worker) -> tuple[Task, Outcome] | None:
    """What a process says or its end means: None that it is ready. Raises BatchError."""
    try:
        said = worker.connection.recv()
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if not worker.loaded or worker.task is None:
            raise BatchError(
                f"A process ended at its start with {how}; see what it says."
            ) from None
        said = Outcome("failed", f"Its process ended with {how}.", 0.0)
    if isinstance(said, PortraitureError):
        raise BatchError(str(said)) from said
    if said == LOADED:
        worker.loaded = True
        return None
    task, worker.task = worker.task, None
    assert task is not None
    return task, said


def _serve(connection: Connection, make: bytes) -> None:
    """Main function of a process. make: a pickled `MakeDo`, since unpickling imports numpy and
    torch, which read the environment then."""
    configure_process()
    for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        do = pickle.loads(make)()
    except PortraitureError as error:
        connection.send(error)
        return
    connection.send(LOADED)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(attempt(do, task))


def _end_with_parent() -> None:
    """A parent that was killed must not be outlived, lest two processes do one photo."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
