"""Kernels of numba on several threads.

They give up the interpreter's lock while they run. `in_threads` shares the work of one among
threads of Python's, which compiles in two thirds of the time that ``parallel=True`` takes: that
compiles the loop three times over, in a function, its wrapper and its caller. Numba's portable
threading layer, which runs ``parallel=True`` where numba finds neither OpenMP nor TBB, ends the
process when two threads run some at a time.
"""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import count
from threading import Lock
from typing import ParamSpec, TypeVar

from numba import get_num_threads
from numba.np.ufunc.parallel import threading_layer

Item = TypeVar("Item")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_pool_lock, _kernel_lock = Lock(), Lock()
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
"""By process (a fork does not inherit threads) and number of threads; kept between calls."""


def in_threads(
    kernel: Callable[..., object], length: int, *arguments: object, each: int = 4
) -> None:
    """``kernel(*arguments, first, end)`` for pieces of ``range(length)``, on as many threads as
    numba has.

    Pieces may run in any order: each writes its own part of the result. each: pieces for each
    thread, of which one that other programs slow down takes fewer. Errors are raised.
    """
    threads = get_num_threads()
    pieces = min(length, each * threads)
    if min(threads, pieces) <= 1:
        kernel(*arguments, 0, length)
        return
    following = count()

    def take() -> None:
        while (piece := next(following)) < pieces:
            kernel(*arguments, length * piece // pieces, length * (piece + 1) // pieces)

    helpers = [_pool(threads).submit(take) for _ in range(min(threads, pieces) - 1)]
    try:
        take()
    finally:
        started = [helper for helper in helpers if not helper.cancel()]
        wait(started)
    for helper in started:
        helper.result()


def _pool(threads: int) -> ThreadPoolExecutor:
    with _pool_lock:
        key = (os.getpid(), threads)
        if key not in _pools:
            _pools[key] = ThreadPoolExecutor(threads - 1, "portraiture-kernel")
        return _pools[key]


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int
) -> Generator[Result, None, None]:
    """``work(item)`` of all items in their order, a few of them ahead on `threads` threads: what
    one does between its kernels, another's kernels run beside. Errors are raised."""
    if threads == 1:
        yield from map(work, items)
        return
    ahead: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, "portraiture-ahead") as pool:
        try:
            for item in items:
                ahead.append(pool.submit(work, item))
                if len(ahead) > threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def one_at_a_time(kernel: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A kernel with ``parallel=True`` that waits for others where the threading layer demands it.
    Other kernels cannot call it."""

    @functools.wraps(kernel)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if _thread_safe():
            return kernel(*args, **kwargs)
        with _kernel_lock:
            return kernel(*args, **kwargs)

    return call


def _thread_safe() -> bool:
    """Whether the layer is known and is one that several threads may enter."""
    try:
        return threading_layer() in ("omp", "tbb")
    except ValueError:  # no kernel has run yet
        return False
