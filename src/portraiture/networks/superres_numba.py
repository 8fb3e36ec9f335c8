"""Elementwise parts of a superresolution block, on channels-last bands of rows.

Arrays are flat: float32, or bfloat16 bits as int16. Letters: C channels, a multiple of LANES.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from portraiture.ops.simd_numba import (
    LANES,
    fma,
    load,
    maximum,
    minimum,
    splat,
    store,
    total,
)

f32 = np.float32
NEAR, FAR = f32(0.75), f32(0.25)
"""Taps of [1, 3, 3, 1] / 8, times 2 per dimension to compensate for zero insertion."""
SLOPE = f32(0.2)


@njit(forceinline=True)
def _activate(x, clamp):
    x = maximum(x, x * splat(SLOPE))
    return maximum(minimum(x, splat(clamp)), splat(f32(0.0) - clamp))


@njit(forceinline=True)
def _down(near0, at0, near1, at1, far0, to0, far1, to1):
    """Vertical filter: two near rows and two far ones."""
    middle = load(near0, at0) + load(near1, at1)
    outer = load(far0, to0) + load(far1, to1)
    return fma(middle, splat(NEAR), outer * splat(FAR))


@njit(cache=True, nogil=True, error_model="numpy")
def smooth_band(ee, eo, oe, oo, bias, out, rows, n, c, zero_first, zero_last, clamp):
    """The filter after a transposed convolution of stride 2, then bias, leaky ReLU and clamp.

    ee, eo, oe, oo: the transposed convolution's rows and columns, even or odd (n + 1 even and n
    odd columns); the first row of each is the one before the band's first. out: 2·rows + 2 rows of
    2·n pixels, including one before and one after the band; zero_first, zero_last: whether those
    are outside the image.
    """
    even, odd = (n + 1) * c, n * c
    for o in range(2 * rows + 2):
        write = o * 2 * n * c
        if (o == 0 and zero_first) or (o == 2 * rows + 1 and zero_last):
            for k in range(write, write + 2 * n * c, LANES):
                store(out, k, splat(f32(0.0)))
            continue
        i, k = o // 2, o // 2 + 1
        # out row 2i - 1 + (o odd) of the band: near are O[i], E[k] or E[k], O[k]
        if o % 2 == 0:
            near, far = (oe, oo, i, ee, eo, k), (ee, eo, i, oe, oo, k)
        else:
            near, far = (ee, eo, k, oe, oo, k), (oe, oo, i, ee, eo, k + 1)
        _row(near, far, even, odd, bias, out, write, n, c, clamp)


@njit(error_model="numpy")
def _row(near, far, even, odd, bias, out, write, n, c, clamp):
    """One row of `smooth_band`. near, far: two input rows each, as the arrays of the even and the
    odd columns and the row's index."""
    a_e, a_o, a, b_e, b_o, b = near
    c_e, c_o, i, d_e, d_o, k = far
    for q in range(0, c, LANES):
        shift = load(bias, q)
        before = splat(f32(0.0))
        ea, eb, ei, ek = a * even + q, b * even + q, i * even + q, k * even + q
        oa, ob, oi, ok = a * odd + q, b * odd + q, i * odd + q, k * odd + q
        here = _down(a_e, ea, b_e, eb, c_e, ei, d_e, ek)
        middle = _down(a_o, oa, b_o, ob, c_o, oi, d_o, ok)
        for j in range(n):
            step = (j + 1) * c
            after = _down(a_e, ea + step, b_e, eb + step, c_e, ei + step, d_e, ek + step)
            following = splat(f32(0.0))
            if j + 1 < n:
                following = _down(a_o, oa + step, b_o, ob + step, c_o, oi + step, d_o, ok + step)
            left = fma(here + middle, splat(NEAR), fma(before + after, splat(FAR), shift))
            right = fma(middle + after, splat(NEAR), fma(here + following, splat(FAR), shift))
            store(out, write + 2 * j * c + q, _activate(left, clamp))
            store(out, write + (2 * j + 1) * c + q, _activate(right, clamp))
            before, here, middle = middle, after, following


@njit(cache=True, nogil=True, error_model="numpy")
def clamp_band(x, start, stop, clamp):
    """Clamp to ±clamp, in place."""
    for k in range(start, stop, LANES):
        value = load(x, k)
        store(x, k, maximum(minimum(value, splat(clamp)), splat(f32(0.0) - clamp)))


@njit(cache=True, nogil=True, error_model="numpy")
def color_band(x, kept, keep_at, weight, bias, before, up, image, first, rows, n, c, clamp):
    """toRGB of a band, added to the image so far, which is upsampled by 2 if `up`.

    x: rows of n pixels. kept: receives the clamped features, from `keep_at` on, unless it is empty.
    weight: 3·C numbers. before, image: (H, W, 3).
    """
    low, high = splat(f32(0.0) - clamp), splat(clamp)
    rgb = np.empty(3, f32)
    for y in range(rows):
        for p in range(n):
            at = (y * n + p) * c
            r, g, b = splat(f32(0.0)), splat(f32(0.0)), splat(f32(0.0))
            for q in range(0, c, LANES):
                value = maximum(minimum(load(x, at + q), high), low)
                r = fma(value, load(weight, q), r)
                g = fma(value, load(weight, c + q), g)
                b = fma(value, load(weight, 2 * c + q), b)
                if kept.size:
                    store(kept, keep_at + at + q, value)
            rgb[0], rgb[1], rgb[2] = total(r), total(g), total(b)
            for k in range(3):
                value = min(max(rgb[k] + bias[k], -clamp), clamp)
                image[first + y, p, k] = value + _before(before, first + y, p, k, up)


@njit(error_model="numpy")
def _before(image, y, x, k, up):
    """A pixel of the image so far; if upsampled, a weighted mean of 2×2 pixels."""
    if not up:
        return image[y, x, k]
    i, j = y // 2, x // 2
    di, dj = 2 * (y % 2) - 1, 2 * (x % 2) - 1
    value = f32(0.0)
    for a in range(2):
        for b in range(2):
            u, v = i + a * di, j + b * dj
            if 0 <= u < image.shape[0] and 0 <= v < image.shape[1]:
                value += (NEAR if a == 0 else FAR) * (NEAR if b == 0 else FAR) * image[u, v, k]
    return value
