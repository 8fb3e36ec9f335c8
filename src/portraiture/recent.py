"""The values made last, by key: the one kind of cache that holds more than a constant."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most `limit` values, those used last. Safe to use from any thread; copies are empty.

    The key must say all that a value depends on.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Recent[Key, Value]], tuple[int]]:
        return type(self), (self._limit,)

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of `key`, made where there is none. Threads that ask for the same value at the
        same time may both make it; all get the one that was there first."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        value = make()
        with self._lock:
            value = self._kept.setdefault(key, value)
            self._kept.move_to_end(key)
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        return value

    def drop(self, unwanted: Callable[[Value], bool]) -> None:
        """Forget the values of which `unwanted` is true."""
        with self._lock:
            for key in [key for key, value in self._kept.items() if unwanted(value)]:
                del self._kept[key]
