"""The sixteen-and-more-lane arithmetic against numpy, and the worker threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from numba import njit

from portraiture.ops.simd_numba import LANES, exp, floor_index, load, pick, store, total
from portraiture.ops.workers import run_pieces
from portraiture.triplane.volume_numba import softplus

f32 = np.float32


@njit
def _each(x, exponential, soft, copy, sums):
    for i in range(0, x.size, LANES):
        v = load(x, i)
        store(exponential, i, exp(v))
        store(soft, i, softplus(v))
        store(copy, i, v)
        sums[i // LANES] = total(v + pick(x, i))
    return floor_index(f32(2.9))


@njit
def _widen(bits, out):
    for i in range(0, out.size, LANES):
        store(out, i, load(bits, i))


def test_functions() -> None:
    x = np.linspace(-80, 80, 64 * LANES, dtype=f32)
    exponential, soft, sums = np.empty_like(x), np.empty_like(x), np.empty(64, f32)
    copy = np.empty(x.size, np.int16)
    assert _each(x, exponential, soft, copy, sums) == 2
    wide = x.astype(np.float64)
    np.testing.assert_allclose(exponential, np.exp(wide), rtol=5e-7)
    np.testing.assert_allclose(soft, np.logaddexp(0, wide), rtol=3e-7, atol=3e-7)
    rows = wide.reshape(64, LANES)
    np.testing.assert_allclose(sums, rows.sum(1) + LANES * rows[:, 0], rtol=1e-5)
    assert torch.equal(
        torch.from_numpy(copy).view(torch.bfloat16), torch.from_numpy(x).to(torch.bfloat16)
    )


def test_half_precision_is_read() -> None:
    x = np.random.default_rng(0).normal(0, 100, 4 * LANES).astype(f32)
    out = np.empty_like(x)
    _widen(x.astype(np.float16).view(np.uint16), out)
    np.testing.assert_array_equal(out, x.astype(np.float16).astype(f32))
    _widen(torch.from_numpy(x).to(torch.bfloat16).view(torch.int16).numpy(), out)
    np.testing.assert_array_equal(out, torch.from_numpy(x).to(torch.bfloat16).float().numpy())


def test_pieces_each_once_without_gradients() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen, lock = [], threading.Lock()

        def work(piece: int) -> None:
            with lock:
                seen.append((piece, torch.is_grad_enabled(), torch.get_num_threads()))

        run_pieces(work, 37)
        assert sorted(seen) == [(piece, False, 1) for piece in range(37)]
        assert torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError):
            run_pieces(lambda piece: 1 // (piece - 5), 8)  # type: ignore[arg-type]
    finally:
        torch.set_num_threads(before)
