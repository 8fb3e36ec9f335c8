"""CPU kernels of `triplane.gather`: a texel's channels lie side by side, so that a sample reads
four rows of memory instead of four numbers of every channel's map.

Letters: K planes, H×W texels, C channels, M points. All arrays are flat.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from portraiture.ops.simd_numba import LANES, load, splat, store

f32 = np.float32


@njit(cache=True, nogil=True, error_model="numpy")
def axis_taps(where, size):
    """Lower texel of a coordinate in [-1, 1] along `size` texels, and its weight and the next
    one's: 0 for texels outside."""
    at = (where + f32(1.0)) * f32(0.5 * size) - f32(0.5)
    at = min(max(at, f32(-1.0)), f32(size))
    first = int(np.floor(at))
    second = at - f32(first)
    low = f32(1.0) - second if 0 <= first < size else f32(0.0)
    high = second if -1 <= first < size - 1 else f32(0.0)
    return first, low, high


@njit(cache=True, nogil=True, error_model="numpy")
def gather(texels, places, out, k, m, h, w, c, first, end):
    """out (M, C): the sum over planes of samples, of points first … end."""
    for point in range(first, end):
        for v in range(0, c, LANES):
            found = splat(f32(0.0))
            for plane in range(k):
                at = 2 * (plane * m + point)
                x, x_low, x_high = axis_taps(places[at], w)
                y, y_low, y_high = axis_taps(places[at + 1], h)
                x0, x1 = min(max(x, 0), w - 1), min(x + 1, w - 1)
                y0, y1 = min(max(y, 0), h - 1), min(y + 1, h - 1)
                top, low = (plane * h + y0) * w, (plane * h + y1) * w
                upper = load(texels, (top + x0) * c + v) * splat(x_low) + load(
                    texels, (top + x1) * c + v
                ) * splat(x_high)
                lower = load(texels, (low + x0) * c + v) * splat(x_low) + load(
                    texels, (low + x1) * c + v
                ) * splat(x_high)
                found = found + upper * splat(y_low) + lower * splat(y_high)
            store(out, point * c + v, found)


@njit(cache=True, nogil=True, error_model="numpy")
def scatter(values, places, texels, m, h, w, c, parts, first, end):
    """The adjoint of `gather`: adds the values (M, C) of points to texels (K, H, W, C). A piece is
    one of `parts` bands of rows of one plane."""
    for piece in range(first, end):
        plane, part = piece // parts, piece % parts
        begin, stop = part * h // parts, (part + 1) * h // parts
        for point in range(m):
            at = 2 * (plane * m + point)
            y, y_low, y_high = axis_taps(places[at + 1], h)
            if y + 1 < begin or y >= stop:
                continue
            x, x_low, x_high = axis_taps(places[at], w)
            for row in range(2):
                height = y_high if row else y_low
                if not begin <= y + row < stop or height == 0.0:
                    continue
                for column in range(2):
                    weight = (x_high if column else x_low) * height
                    if weight == 0.0:
                        continue
                    texel = ((plane * h + y + row) * w + x + column) * c
                    for v in range(0, c, LANES):
                        more = load(values, point * c + v) * splat(weight)
                        store(texels, texel + v, load(texels, texel + v) + more)
