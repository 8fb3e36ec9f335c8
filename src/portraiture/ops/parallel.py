"""Parallel kernels of numba, called from several threads.

They give up the interpreter's lock while they run, and numba's portable threading layer, which it
takes where it finds neither OpenMP nor TBB, ends the process when two threads run some at a time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from threading import Lock
from typing import ParamSpec, TypeVar

from numba.np.ufunc.parallel import threading_layer

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_lock = Lock()


def one_at_a_time(kernel: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A kernel with ``parallel=True`` that waits for others where the threading layer demands it.
    Other kernels cannot call it."""

    @functools.wraps(kernel)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if _thread_safe():
            return kernel(*args, **kwargs)
        with _lock:
            return kernel(*args, **kwargs)

    return call


def _thread_safe() -> bool:
    """Whether the layer is known and is one that several threads may enter."""
    try:
        return threading_layer() in ("omp", "tbb")
    except ValueError:  # no kernel has run yet
        return False
