"""Pieces of work on as many threads as torch has, each of which runs torch on itself alone.

A piece is a slice of an image small enough for a core's cache: torch operators and `nogil` numba
kernels on it need no barrier between them, and a core that other programs slow down takes fewer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import count
from threading import Barrier

import torch


def run_pieces(work: Callable[[int], None], pieces: int) -> None:
    """``work(0)`` … ``work(pieces - 1)``, in any order, without gradients. Errors are raised."""
    threads = min(torch.get_num_threads(), pieces)
    if threads <= 1:
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

    pool = _pool(threads, os.getpid())
    for future in [pool.submit(take) for _ in range(threads)]:
        future.result()


@lru_cache(maxsize=1)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """The threads of this process (a fork does not inherit them), kept between calls."""
    wanted = torch.get_num_threads()
    together = Barrier(threads)

    def start() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # torch settles a thread's number when it first asks for it
        together.wait()

    pool = ThreadPoolExecutor(threads, "portraiture", initializer=start)
    for future in [pool.submit(bool) for _ in range(threads)]:
        future.result()
    torch.set_num_threads(wanted)  # the workers' 1 would be every later thread's, too
    return pool
