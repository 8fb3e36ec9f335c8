"""Processes: what the number crunching below this package needs set, and pools of workers.

OpenMP threads that wait for each other spin by default, which takes the cores from whatever else
runs: beside two busy processes an inversion took four times as long as its share of the cores
allows. With a short spin it takes what is fair, and as long as before when it runs alone
(`benchmarks/bench_busy.py`).
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from portraiture.progress import SILENT, Progress, counted
from portraiture.signals import install_exit

SETTINGS = {
    "GOMP_SPINCOUNT": "1000",  # rounds that GNU's OpenMP spins before it sleeps
    "KMP_BLOCKTIME": "0",  # milliseconds of LLVM's and Intel's
    "OPENBLAS_NUM_THREADS": "1",  # of numpy and scipy; torch has threads of its own
    "THP_MEM_ALLOC_ENABLE": "1",  # torch takes memory in pages of 2 MB
}
"""Environment variables that libraries read when they are loaded, torch with its first tensor.
OpenBLAS shares among threads what is far too small for them: they take a hundred times as long for
thousands of 2×2 systems, a fifteenth of `create`, and round differently on another number of cores.
Every training step allocates planes and their gradients anew, and faulting them in by 4 kB takes a
third of it."""

Job = TypeVar("Job")


def configure_process() -> None:
    """Set `SETTINGS` in this process's environment where the user has not. Must be called before
    numpy, torch and numba are imported; for programs, never for a library's import."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def in_processes(
    work: Callable[[Job], object], jobs: Sequence[Job], workers: int, progress: Progress = SILENT
) -> None:
    """Do all jobs, each in one of `workers` processes of one thread; each is a step of `progress`.
    One worker, or a single job, runs in this process.

    Processes are spawned: the threads of torch and numba survive no fork. When a job fails or the
    work is cancelled (CancelledError), jobs that have not begun are dropped.
    """
    if workers == 1 or len(jobs) < 2:
        for job in counted(jobs, progress):
            work(job)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), context, initializer=_start) as pool:
        futures = [pool.submit(work, job) for job in jobs]
        try:
            for future in counted(as_completed(futures), progress):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start() -> None:
    """What a worker does first."""
    configure_process()
    install_exit()
    import numba
    import torch

    numba.set_num_threads(1)
    torch.set_num_threads(1)
