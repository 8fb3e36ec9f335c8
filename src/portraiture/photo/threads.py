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
    """Keep OpenMP's workers out of what the calling thread does meanwhile; also a decorator.

    Operations of 50 µs gain little from workers, and lose a factor of ten and more where other
    processes want the same cores, for the workers wait in loops. Other threads keep their setting;
    MKL keeps the number that somebody gave to `torch.set_num_threads`.
    """
    with _pools().limit(limits=1, user_api="openmp"):
        yield


@lru_cache(maxsize=1)
def _pools() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController  # training bundles have none

    return ThreadpoolController()
