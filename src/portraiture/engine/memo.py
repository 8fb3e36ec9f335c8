"""Results of the engine's steps, kept by what each of them read of the parameters.

parameters ─Watched─▶ step(parameters, shape, …) ─▶ result, and the names that the step read
A later call with equal values of these names and the very same other arguments gives the same
object, so that an edit of a person makes only the parts again that it touches, and which those are
need not be written down anywhere.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from portraiture.engine.parameters import AvatarParameters

Result = TypeVar("Result")
KEPT = 4
"""Results of each step, those used last: an edit, what it began from, and undo and redo."""
NAMES = frozenset(field.name for field in fields(AvatarParameters))


class Watched(AvatarParameters):
    """Parameters that note which of them are read. A copy by `dataclasses.replace` reads all."""

    def __getattribute__(self, name: str) -> Any:
        if name in NAMES:
            read = object.__getattribute__(self, "__dict__").get("_read")
            if read is not None:
                read.add(name)
        return object.__getattribute__(self, name)


def watched(parameters: AvatarParameters) -> tuple[Watched, set[str]]:
    """A copy of the parameters and the names that will have been read of it."""
    copy = Watched(**{name: getattr(parameters, name) for name in NAMES})
    read: set[str] = set()
    object.__setattr__(copy, "_read", read)
    return copy, read


@dataclass(frozen=True, eq=False)
class _Kept:
    """values: of the parameters that were read. others: all other arguments."""

    values: Mapping[str, Any]
    others: tuple[Any, ...]
    result: Any

    def fits(self, parameters: AvatarParameters, others: tuple[Any, ...]) -> bool:
        return _same(others, self.others) and all(
            getattr(parameters, name) == value for name, value in self.values.items()
        )


class Memo:
    """Keeps the last `KEPT` results of each step. Safe to use from any thread.

    before: called before each step that has to run; it may raise to end the work.
    """

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self._before = before
        self._kept: OrderedDict[str, deque[_Kept]] = OrderedDict()
        self._lock = threading.Lock()

    def call(
        self, step: Callable[..., Result], parameters: AvatarParameters, *others: Any, **named: Any
    ) -> Result:
        """``step(parameters, *others, **named)``, or what an equal call gave before.

        others, named: plain values, which are compared, or objects that never change, of which only
        the very same one counts as equal.
        """
        name = f"{step.__module__}.{step.__qualname__}"
        key = (*others, *(item for pair in sorted(named.items()) for item in pair))
        found = self._find(name, parameters, key)
        if found is not None:
            return found.result
        self._before()
        copy, read = watched(parameters)
        result = step(copy, *others, **named)
        values = {field: getattr(parameters, field) for field in read}
        with self._lock:
            entries = self._kept.setdefault(name, deque(maxlen=KEPT))
            result = next((kept.result for kept in entries if _equal(kept.result, result)), result)
            entries.appendleft(_Kept(values, key, result))
        return result

    def _find(
        self, name: str, parameters: AvatarParameters, others: tuple[Any, ...]
    ) -> _Kept | None:
        with self._lock:
            entries = self._kept.get(name, deque())
            for kept in entries:
                if kept.fits(parameters, others):
                    entries.remove(kept)
                    entries.appendleft(kept)
                    return kept
        return None


def _equal(a: Any, b: Any) -> bool:
    """Whether both are arrays of the same values: a step that ran for nothing changes nothing that
    comes after it."""
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.array_equal(a, b)


def _same(a: Any, b: Any) -> bool:
    """Plain values by value, tuples item by item, all else by identity."""
    if a is b:
        return True
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    plain = (str, int, float, bool, frozenset, type(None))
    return isinstance(a, plain) and isinstance(b, plain) and a == b
