"""Warnings of other libraries that say nothing to a user."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside: list[warnings.catch_warnings] = []
"""One for each thread that is inside; the first holds what was before."""


@contextmanager
def warnings_off() -> Iterator[None]:
    """Ignore Python's warnings inside, in all threads, for they share one list of filters:
    the first thread in turns them off, the last one out puts back what was."""
    with _lock:
        _inside.append(warnings.catch_warnings())
        if len(_inside) == 1:
            _inside[0].__enter__()
            warnings.simplefilter("ignore")
    try:
        yield
    finally:
        with _lock:
            if len(_inside) == 1:
                _inside[0].__exit__(None, None, None)
            _inside.pop()
