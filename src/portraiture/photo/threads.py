"""Run small networks on the calling thread only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Restrict OpenMP to the calling thread inside the block; also a decorator.

    Operations of 50 µs gain little from worker threads, and slow down by a factor of ten or more
    when other processes use the same cores, because workers wait in busy loops. Other threads keep
    their setting; MKL keeps the number given to `torch.set_num_threads`.
    """
    with _pools().limit(limits=1, user_api="openmp"):
        yield


@lru_cache(maxsize=1)
def _pools() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController  # not available in training bundles

    return ThreadpoolController()
