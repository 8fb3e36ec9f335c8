"""Work on several threads: every index or item once, whoever calls, and errors are raised."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier, get_ident

import numba
import numpy as np
import pytest

from portraiture.ops.inner import kernel
from portraiture.ops.parallel import in_order, in_threads


@pytest.fixture(autouse=True)
def three_threads():
    before = numba.get_num_threads()
    numba.set_num_threads(min(3, numba.config.NUMBA_NUM_THREADS))
    yield
    numba.set_num_threads(before)


@kernel
def _count(out, step, first, end):
    for i in range(first, end):
        out[i] += step


@pytest.mark.parametrize("length", (0, 1, 2, 7, 1000))
@pytest.mark.parametrize("each", (1, 4))
def test_every_index_is_visited_once(length: int, each: int) -> None:
    out = np.zeros(length)
    in_threads(_count, length, out, 2.0, each=each)
    assert (out == 2.0).all()


def test_pieces_run_at_the_same_time() -> None:
    threads = numba.get_num_threads()
    if threads < 2:
        pytest.skip("one core")
    together, seen = Barrier(threads), set()

    def meet(first: int, end: int) -> None:
        together.wait(30.0)
        seen.add(get_ident())

    in_threads(meet, threads, each=1)
    assert len(seen) == threads


def test_one_thread_has_one_piece() -> None:
    numba.set_num_threads(1)
    pieces = []
    in_threads(lambda first, end: pieces.append((first, end)), 10)
    assert pieces == [(0, 10)]


def test_errors_are_raised() -> None:
    def fail(first: int, end: int) -> None:
        if end == 100:
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        in_threads(fail, 100)


def test_several_threads_may_call() -> None:
    outs = [np.zeros(500) for _ in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda out: in_threads(_count, 500, out, 1.0), outs))
    assert all((out == 1.0).all() for out in outs)


@pytest.mark.parametrize("threads", (1, 2, 3))
@pytest.mark.parametrize("length", (0, 1, 7))
def test_results_come_in_order_and_errors_in_their_place(threads: int, length: int) -> None:
    def share(divisor: int) -> float:
        return 12 / divisor

    items = list(range(1, length + 1))
    assert list(in_order(share, items, threads=threads)) == [12 / item for item in items]
    results = in_order(share, [3, 0, 2], threads=threads)
    assert next(results) == 4.0
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_items_are_worked_on_at_the_same_time_and_few_ahead() -> None:
    meet = Barrier(2)
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item < 2:
            meet.wait(20)
        return item

    results = in_order(work, count(), threads=2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    results.close()
    assert len(begun) <= 5 + 2
