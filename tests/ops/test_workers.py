"""Pools of threads: kept by size, and nobody else's number of threads changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import current_thread

import pytest
import torch

from portraiture.ops import workers
from portraiture.ops.workers import run_pieces


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_every_piece_once_on_threads_of_their_own(three_threads: None) -> None:
    found: list[tuple[int, int]] = []
    run_pieces(lambda k: found.append((k, torch.get_num_threads())), 50)
    assert sorted(found) == [(k, 1) for k in range(50)]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 3
    assert torch.get_num_threads() == 3


def test_few_pieces_and_many_use_the_same_threads(three_threads: None) -> None:
    run_pieces(lambda k: None, 50)
    before = dict(workers._pools)
    names: set[str] = set()
    for pieces in (2, 50, 2):
        run_pieces(lambda k: names.add(current_thread().name), pieces)
    assert workers._pools == before
    assert len(names) <= 3


def test_pieces_of_two_callers_do_not_wait_for_each_other(three_threads: None) -> None:
    def total(first: int) -> int:
        found: list[int] = []
        run_pieces(lambda k: found.append(first + k), 100)
        return sum(found)

    with ThreadPoolExecutor(4) as pool:
        sums = list(pool.map(total, range(40)))
    assert sums == [4950 + 100 * first for first in range(40)]


def test_errors_of_a_piece_are_raised(three_threads: None) -> None:
    with pytest.raises(ZeroDivisionError):
        run_pieces(lambda k: 1 // (k - 7), 20)
