"""`Recent` keeps what was used last, makes a value once, and survives threads and copies."""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from portraiture.recent import Recent


def test_the_values_used_last_are_kept() -> None:
    made: list[str] = []

    def value(key: str) -> str:
        return kept.get(key, lambda: made.append(key) or key.upper())

    kept: Recent[str, str] = Recent(2)
    assert [value(key) for key in "abacab"] == list("ABACAB")
    assert made == ["a", "b", "c", "b"]
    kept.drop(lambda found: found == "A")
    value("b")
    value("a")
    assert made == ["a", "b", "c", "b", "a"]


def test_threads_that_evict_each_others_values_get_their_own() -> None:
    kept: Recent[int, int] = Recent(1)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda k: kept.get(k % 3, lambda: k % 3), range(4000)))
    finally:
        sys.setswitchinterval(interval)
    assert found == [k % 3 for k in range(4000)]


def test_all_get_the_value_that_was_there_first() -> None:
    kept: Recent[str, object] = Recent(1)
    first = object()
    assert kept.get("a", lambda: (kept.get("a", lambda: first), object())[1]) is first


def test_a_copy_is_empty() -> None:
    kept: Recent[str, int] = Recent(3)
    kept.get("a", lambda: 1)
    assert pickle.loads(pickle.dumps(kept)).get("a", lambda: 2) == 2
    with pytest.raises(ZeroDivisionError):
        kept.get("b", lambda: 1 // 0)
    assert kept.get("b", lambda: 3) == 3
