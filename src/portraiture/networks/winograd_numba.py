"""Winograd transforms F(2×2, 3×3) around a matrix product (Lavin & Gray 2016, section 4.1).

rows ─input_tiles─▶ V (16, T, C) ─bmm with the kernels─▶ M (16, T, O) ─output_tiles─▶ rows
Four pixels take 16 products instead of 36. Arrays are flat and channels last: float32, or bfloat16
bits as int16. Letters: T tiles, C and O channels, multiples of LANES.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numba import njit
from torch import Tensor

from portraiture.ops.simd_numba import LANES, load, maximum, splat, store

f32 = np.float32


def transform_kernels(weight: Float[Tensor, "O C 3 3"]) -> Float[Tensor, "16 C O"]:
    """G·g·Gᵀ of every kernel."""
    g = weight.new_tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    return torch.einsum("ai,ocij,bj->abco", g, weight, g).flatten(0, 1)


@njit(forceinline=True)
def _across(x, at, step, left, right):
    """A transformed row of four: d0 - d2, d1 + d2, d2 - d1, d1 - d3; missing ends are zeros."""
    zero = splat(f32(0.0))
    d1, d2 = load(x, at + step), load(x, at + 2 * step)
    d0 = load(x, at) if left else zero
    d3 = load(x, at + 3 * step) if right else zero
    return d0 - d2, d1 + d2, d2 - d1, d1 - d3


@njit(cache=True, nogil=True, error_model="numpy")
def input_tiles(x, first, tile_rows, n, c, v):
    """Transform rows `first` … `first + 2·tile_rows + 1` of n pixels, zero-padded, to V."""
    tiles = n // 2
    plane = tile_rows * tiles * c
    row = n * c
    for ty in range(tile_rows):
        for tx in range(tiles):
            left, right = tx > 0, tx < tiles - 1
            start = ((first + 2 * ty) * n + 2 * tx - 1) * c
            write = (ty * tiles + tx) * c
            for q in range(0, c, LANES):
                a = _across(x, start + q, c, left, right)
                b = _across(x, start + row + q, c, left, right)
                d = _across(x, start + 2 * row + q, c, left, right)
                e = _across(x, start + 3 * row + q, c, left, right)
                at = write + q
                for k in range(4):
                    store(v, at + k * plane, a[k] - d[k])
                    store(v, at + (4 + k) * plane, b[k] + d[k])
                    store(v, at + (8 + k) * plane, d[k] - b[k])
                    store(v, at + (12 + k) * plane, b[k] - e[k])


@njit(cache=True, nogil=True, error_model="numpy")
def output_tiles(m, tile_rows, n, c, bias, slope, y, first):
    """Transform M to two rows of n pixels per tile row, from row `first` of y on; adds bias and
    leaky ReLU."""
    tiles = n // 2
    plane = tile_rows * tiles * c
    lean = splat(slope)
    for ty in range(tile_rows):
        for tx in range(tiles):
            read = (ty * tiles + tx) * c
            write = ((first + 2 * ty) * n + 2 * tx) * c
            for q in range(0, c, LANES):
                shift = load(bias, q)
                at = read + q
                for half in range(2):
                    s = _fold(m, at, plane, half)
                    p = s[0] + s[1] + s[2] + shift
                    r = s[1] - s[2] - s[3] + shift
                    store(y, write + half * n * c + q, maximum(p, p * lean))
                    store(y, write + half * n * c + c + q, maximum(r, r * lean))


@njit(forceinline=True)
def _fold(m, at, plane, half):
    """One row of Aᵀ·M, A = [1 1 1 0; 0 1 -1 -1]ᵀ."""
    far = at + (12 if half else 0) * plane
    sign = splat(f32(-1.0) if half else f32(1.0))
    return (
        _three(m, at, far, plane, sign, 0), _three(m, at, far, plane, sign, 1),
        _three(m, at, far, plane, sign, 2), _three(m, at, far, plane, sign, 3),
    )  # fmt: skip


@njit(forceinline=True)
def _three(m, at, far, plane, sign, k):
    """M[0] + M[1] + M[2] of column k, or, with sign -1, M[1] - M[2] - M[3]."""
    one, two = load(m, at + (4 + k) * plane), load(m, at + (8 + k) * plane)
    return one + sign * (two + load(m, far + k * plane))
