"""Pieces of work on as many threads as torch has, each of which runs torch on itself alone.

A piece is a slice of an image small enough for a core's cache: torch operators and `nogil` numba
kernels on it need no barrier between them, and a core that other programs slow down takes fewer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier, Lock

import torch

_lock = Lock()
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
"""By process (a fork does not inherit threads) and number of threads; kept between calls."""


def run_pieces(work: Callable[[int], None], pieces: int) -> None:
    """``work(0)`` … ``work(pieces - 1)``, in any order, without gradients. Errors are raised."""
    threads = torch.get_num_threads()
    if min(threads, pieces) <= 1:
        with torch.no_grad():
            for piece in range(pieces):
                work(piece)
        return
    following = count()
    inference = torch.is_inference_mode_enabled()

    def take() -> None:
        with torch.inference_mode(inference), torch.no_grad():
            while (piece := next(following)) < pieces:
                work(piece)

    pool = _pool(threads)
    for future in [pool.submit(take) for _ in range(min(threads, pieces))]:
        future.result()


def _pool(threads: int) -> ThreadPoolExecutor:
    with _lock:
        key = (os.getpid(), threads)
        if key not in _pools:
            _pools[key] = _start(threads)
        return _pools[key]


def _start(threads: int) -> ThreadPoolExecutor:
    """A pool whose threads have all begun. torch keeps one number of threads for those that have
    not used it yet: it is 1 only for the moment in which the pool's threads take theirs."""
    begun, settled = Barrier(threads), Barrier(threads + 1)

    def start() -> None:
        torch.get_num_threads()  # a thread takes its number when it first asks for it
        begun.wait()
        torch.set_num_threads(1)
        settled.wait()

    pool = ThreadPoolExecutor(threads, "portraiture", initializer=start)
    for _ in range(threads):
        pool.submit(bool)
    settled.wait()
    torch.set_num_threads(threads)
    return pool
