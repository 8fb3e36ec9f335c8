"""Work that stands in for avatars, and a program of workers that do it until they are killed."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

from portraiture.jobs.folders import result_folder
from portraiture.jobs.supervisor import Workers
from portraiture.jobs.table import Job, JobTable
from portraiture.jobs.worker import Made, WorkerConfig
from portraiture.progress import Progress

FILES = 4
SECONDS = 0.2
"""That the files of one job take."""


def lease_all(table: JobTable, worker: str) -> list[str]:
    """Lease and finish until there is nothing left; the ids."""
    found = []
    while held := table.lease(worker, 60):
        assert table.finish(held, {"by": worker})
        found.append(held.job.id)
    return found


def content(id: str, number: int) -> str:
    """Of a job's file."""
    return f"{id} {number}\n" * 2000


def make_files(root: Path, job: Job, progress: Progress) -> Made:
    """Write `FILES` files in halves, slowly."""
    with (root.parent / "pids").open("a") as pids:
        pids.write(f"{os.getpid()}\n")
    with result_folder(root, job.id) as folder:
        progress.stage("Write", FILES)
        for number in range(FILES):
            text = content(job.id, number)
            with (folder.path / f"{number}.txt").open("w") as file:
                file.write(text[: len(text) // 2])
                file.flush()
                time.sleep(SECONDS / FILES)
                file.write(text[len(text) // 2 :])
            progress.step()
    return Made({"files": FILES}, folder.final)


def whole(folder: Path) -> bool:
    """Whether a folder holds all files of its job, and nothing else."""
    id = folder.name.split("-")[0]
    expected = {f"{number}.txt": content(id, number) for number in range(FILES)}
    return {path.name: path.read_text() for path in folder.iterdir()} == expected


def wait_for_signal(root: Path, job: Job, progress: Progress) -> dict:
    """Work that never looks whether it is still wanted."""
    (root / "started").touch()
    time.sleep(60)
    return {}


def hold_memory(root: Path, job: Job, progress: Progress) -> dict:
    """Work that takes long enough to be found too large."""
    time.sleep(60)
    return {}


def _main(url: str, root: str) -> None:
    """Two workers. Each line on standard input kills at once: "worker N" one of them, "both N" all
    and this program."""
    config = WorkerConfig(lease_s=2.0, poll_s=0.02)
    leaving: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: leaving.append(number))
    work = partial(make_files, Path(root))
    with Workers(
        url, 2, work, config=config, results=Path(root), backoff_s=0.05, sweep_grace_s=0.0
    ) as workers:

        def obey() -> None:
            for line in sys.stdin:
                pids = workers.pids
                if line.startswith("worker") and pids:
                    os.kill(random.Random(line).choice(pids), signal.SIGKILL)
                elif line.startswith("both"):
                    for pid in (*pids, os.getpid()):
                        os.kill(pid, signal.SIGKILL)

        threading.Thread(target=obey, daemon=True).start()
        while not leaving:
            time.sleep(0.05)


if __name__ == "__main__":
    _main(*sys.argv[1:])
