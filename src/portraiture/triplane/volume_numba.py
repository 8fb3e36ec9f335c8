"""Fused volume renderer for the CPU: one ray at a time, LANES hidden units per vector.

coarse depths ─▶ hidden, density ─▶ weights ─▶ importance ─▶ merged ─▶ weights ─▶ needed colours
All data of a ray stays in the core's cache. What cannot contribute is skipped: densities behind a
depth that no light passes, and the colours (the most expensive part) of samples without weight.
Twin of `triplane.volume`'s torch reference, with the same depths and the same march.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numba import njit
from torch import Tensor

from portraiture.ops.simd_numba import (
    LANES,
    exp,
    floor_index,
    fma,
    load,
    maximum,
    minimum,
    pick,
    splat,
    store,
    total,
)
from portraiture.ops.workers import run_pieces
from portraiture.triplane.tables import DecoderWeights, Pixels, RaySampling, Tables

PASSED = np.float32(1e-5)
"""Transmittance below which a ray ends."""
COUNTS = np.float32(1e-5)
"""Weight below which a sample's colour is skipped; 96 of them change a colour by less than
0.001."""
RAYS = 256
"""Rays per work item."""
GROUP = 4
"""Samples whose colours are evaluated together."""

f32 = np.float32
LOG1P = tuple(
    f32(c)
    for c in (
        0.99999976,
        -0.49997175,
        0.33271930,
        -0.24474774,
        0.17687477,
        -0.10685003,
        0.04349390,
        -0.00837115,
    )
)
"""log(1 + t)/t on [0, 1] by Chebyshev interpolation; error below 1.2e-7."""
L0, L1, L2, L3, L4, L5, L6, L7 = LOG1P


def render_pixels(
    tables: Tables,
    weights: DecoderWeights,
    origins: Float[Tensor, "R 3"],
    directions: Float[Tensor, "R 3"],
    sampling: RaySampling,
    *,
    box_warp: float,
    white_background: bool,
) -> Pixels:
    """Render rays through one set of tables (float16)."""
    decoder = DecoderArrays(weights)
    count, colors = len(origins), weights.second.shape[1] - 1
    color = torch.empty(count, decoder.outputs)
    depth, opacity, ranges = torch.empty(count), torch.empty(count), np.empty((count, 2), f32)
    texels = flatten_tables(tables, decoder.hidden)
    h, w = tables.texels[0].shape[:2]
    axes = np.array(tables.axes, np.int64)
    arrays = (
        origins.float().contiguous().numpy(), directions.float().contiguous().numpy(),
        sampling.coarse.float().contiguous().numpy(), sampling.u.float().contiguous().numpy(),
        color.numpy(), depth.numpy(), opacity.numpy(), ranges,
    )  # fmt: skip

    def work(piece: int) -> None:
        first = piece * RAYS
        _render(
            first, min(first + RAYS, count), texels, axes, h, w, f32(2.0 / box_warp),
            *decoder.arrays, *arrays, f32(weights.margin), white_background,
        )  # fmt: skip

    run_pieces(work, -(-count // RAYS))
    return Pixels(
        color[:, :colors], depth, opacity, float(ranges[:, 0].min()), float(ranges[:, 1].max())
    )


class DecoderArrays:
    """A decoder's arrays, with hidden units and colours padded to whole vectors."""

    def __init__(self, weights: DecoderWeights) -> None:
        d, k = weights.first.shape[1], weights.second.shape[1] - 1
        self.hidden, self.outputs = -(-d // LANES) * LANES, -(-k // LANES) * LANES
        second = np.zeros((self.hidden, self.outputs), f32)
        density, bias = np.zeros(self.hidden, f32), np.zeros(self.outputs, f32)
        first_bias = np.zeros(self.hidden, f32)
        full = weights.second.detach().float().numpy()
        second[:d, :k], density[:d] = full[:, 1:], full[:, 0]
        last = weights.second_bias.detach().float().numpy()
        bias[:k], first_bias[:d] = last[1:], weights.first_bias.detach().float().numpy()
        self.arrays = (first_bias, density, f32(last[0]), second.reshape(-1), bias)


def flatten_tables(tables: Tables, hidden: int) -> np.ndarray:
    """All texels as float16 bits, one table after the other, padded to `hidden` units."""
    rest = hidden - tables.texels[0].shape[2]
    parts = [torch.nn.functional.pad(t, (0, rest)) if rest else t for t in tables.texels]
    return torch.stack(parts).reshape(-1).view(torch.int16).numpy().view(np.uint16)


@njit(forceinline=True)
def softplus(x):
    """log(1 + eˣ), with an error below 3e-7."""
    zero = splat(f32(0.0))
    t = exp(minimum(x, zero - x))
    p = fma(splat(L7), t, splat(L6))
    p = fma(p, t, splat(L5))
    p = fma(p, t, splat(L4))
    p = fma(p, t, splat(L3))
    p = fma(p, t, splat(L2))
    p = fma(p, t, splat(L1))
    p = fma(p, t, splat(L0))
    return fma(p, t, maximum(x, zero))


@njit(forceinline=True)
def corner(x, y, h, w):
    """Texel index and fractions of a plane coordinate in [-1, 1]; h, w include the border of
    zeros."""
    px = (x + f32(1.0)) * f32(0.5) * f32(w - 2) + f32(0.5)
    py = (y + f32(1.0)) * f32(0.5) * f32(h - 2) + f32(0.5)
    px = min(px, f32(w - 1)) if px > f32(0.0) else f32(0.0)
    py = min(py, f32(h - 1)) if py > f32(0.0) else f32(0.0)
    ix, iy = min(floor_index(px), w - 2), min(floor_index(py), h - 2)
    return iy * w + ix, px - f32(ix), py - f32(iy)


@njit(forceinline=True)
def _blend(acc, texels, a, b, w00, w01, w10, w11, d):
    """acc plus the bilinear mix of the texels at a, a + d, b and b + d."""
    acc = fma(load(texels, a), w00, acc)
    acc = fma(load(texels, a + d), w01, acc)
    acc = fma(load(texels, b), w10, acc)
    return fma(load(texels, b + d), w11, acc)


@njit(forceinline=True)
def _weights4(fx, fy):
    gx, gy = f32(1.0) - fx, f32(1.0) - fy
    return splat(gx * gy), splat(fx * gy), splat(gx * fy), splat(fx * fy)


@njit(error_model="numpy")
def _query(point, texels, axes, h, w, scale, first_bias, density, density_bias, hidden, at):
    """Write a point's hidden units to ``hidden[at:]``; returns its raw density."""
    d = first_bias.size
    sheet = h * w * d
    i, fx, fy = corner(point[axes[0, 0]] * scale, point[axes[0, 1]] * scale, h, w)
    a0 = i * d
    p00, p01, p10, p11 = _weights4(fx, fy)
    i, fx, fy = corner(point[axes[1, 0]] * scale, point[axes[1, 1]] * scale, h, w)
    a1 = sheet + i * d
    q00, q01, q10, q11 = _weights4(fx, fy)
    third = len(axes) > 2
    i, fx, fy = corner(point[axes[-1, 0]] * scale, point[axes[-1, 1]] * scale, h, w)
    a2 = 2 * sheet + i * d
    r00, r01, r10, r11 = _weights4(fx, fy)
    row = w * d
    raw = splat(f32(0.0))
    for v in range(0, d, LANES):
        acc = load(first_bias, v)
        acc = _blend(acc, texels, a0 + v, a0 + row + v, p00, p01, p10, p11, d)
        acc = _blend(acc, texels, a1 + v, a1 + row + v, q00, q01, q10, q11, d)
        if third:
            acc = _blend(acc, texels, a2 + v, a2 + row + v, r00, r01, r10, r11, d)
        acc = softplus(acc)
        store(hidden, at + v, acc)
        raw = fma(acc, load(density, v), raw)
    return total(raw) + density_bias


@njit(error_model="numpy")
def _absorb(depths, densities, alpha, start):
    """Alpha of the LANES intervals from `start` on."""
    half = splat(f32(0.5))
    delta = load(depths, start + 1) - load(depths, start)
    density = (load(densities, start + 1) + load(densities, start)) * half - splat(f32(1.0))
    absorbed = softplus(density) * delta
    store(alpha, start, splat(f32(1.0)) - exp(splat(f32(0.0)) - absorbed))


@njit(error_model="numpy")
def _importance(depths, n, weights, u, fine):
    """`triplane.sampling.importance` for one ray; u ascending; weights are overwritten by their
    CDF."""
    before = weights[0]
    for j in range(n - 1):
        here = weights[j]
        after = weights[min(j + 1, n - 2)]
        smooth = f32(0.5) * (max(before, here) + max(here, after)) + f32(0.01)
        before = here
        weights[j] = smooth + f32(1e-5)
    norm = f32(0.0)
    for j in range(1, n - 2):
        norm += weights[j]
    running = f32(0.0)
    for j in range(n - 3):
        step = weights[j + 1] / norm
        weights[j] = running
        running += step
    weights[n - 3] = running
    i = 0
    for k in range(u.size):
        while i < n - 2 and weights[i] <= u[k]:
            i += 1
        below, above = max(i - 1, 0), min(i, n - 3)
        c0, c1 = weights[below], weights[above]
        d0 = f32(0.5) * (depths[below] + depths[below + 1])
        d1 = f32(0.5) * (depths[above] + depths[above + 1])
        span = c1 - c0
        span = f32(1.0) if span < f32(1e-5) else span
        fine[k] = d0 + (u[k] - c0) / span * (d1 - d0)


@njit(error_model="numpy")
def _ascending(source, target):
    """A sorted copy; insertion sort, which is fast for input that is already sorted."""
    for k in range(source.size):
        value = source[k]
        j = k
        while j > 0 and target[j - 1] > value:
            target[j] = target[j - 1]
            j -= 1
        target[j] = value


@njit(error_model="numpy")
def _merge(coarse, n, fine, depths, order):
    """Merge two ascending lists; `order` records the source of each element (n + k: fine k)."""
    i = k = 0
    for j in range(n + fine.size):
        if k == fine.size or (i < n and coarse[i] <= fine[k]):
            depths[j], order[j] = coarse[i], i
            i += 1
        else:
            depths[j], order[j] = fine[k], n + k
            k += 1


@njit(error_model="numpy")
def _color(hidden, d, which, mass, count, second, bias, color, out):
    """color[out:] = Σ mass·sigmoid(hidden·second + bias) over `count` samples, four at a time."""
    one, zero = splat(f32(1.0)), splat(f32(0.0))
    for k in range(count, count + (-count) % GROUP):
        which[k], mass[k] = which[0], f32(0.0)
    outputs = bias.size
    for o in range(0, outputs, LANES):
        mixed, b = zero, load(bias, o)
        for k in range(0, count, GROUP):
            h0, h1 = which[k] * d, which[k + 1] * d
            h2, h3 = which[k + 2] * d, which[k + 3] * d
            s0, s1, s2, s3 = b, b, b, b
            at = o
            for i in range(d):
                row = load(second, at)
                at += outputs
                s0 = fma(pick(hidden, h0 + i), row, s0)
                s1 = fma(pick(hidden, h1 + i), row, s1)
                s2 = fma(pick(hidden, h2 + i), row, s2)
                s3 = fma(pick(hidden, h3 + i), row, s3)
            mixed = mixed + pick(mass, k) / (one + exp(zero - s0))
            mixed = mixed + pick(mass, k + 1) / (one + exp(zero - s1))
            mixed = mixed + pick(mass, k + 2) / (one + exp(zero - s2))
            mixed = mixed + pick(mass, k + 3) / (one + exp(zero - s3))
        store(color, out + o, mixed)


@njit(cache=True, nogil=True, error_model="numpy")
def _render(
    first, last, texels, axes, h, w, scale, first_bias, density, density_bias, second, bias,
    origins, directions, coarse, u, color, depth, opacity, ranges, margin, white,
):  # fmt: skip
    """Render rays first … last - 1."""
    n, m, d = coarse.shape[1], u.shape[1], first_bias.size
    room = n + m + 2 * LANES
    hidden = np.empty((n + m) * d, f32)
    raw, densities, depths = np.empty(room, f32), np.zeros(room, f32), np.zeros(room, f32)
    alpha, weights, mass = np.zeros(room, f32), np.zeros(room, f32), np.empty(room, f32)
    order, which = np.zeros(room, np.int64), np.zeros(room, np.int64)
    ahead, fine, point = np.empty(m, f32), np.empty(m, f32), np.empty(3, f32)
    known = np.empty(n + m, np.bool_)
    flat = color.reshape(-1)
    for ray in range(first, last):
        o, v = origins[ray], directions[ray]
        t = coarse[ray if len(coarse) > 1 else 0]
        known[:] = False
        depths[:n], order[:n] = t, np.arange(n)
        samples = n
        for merged in range(2 if m else 1):
            if merged:
                _importance(t, n, weights, ahead, fine)
                _merge(t, n, fine, depths, order)
                samples = n + m
            elif m:
                _ascending(u[ray if len(u) > 1 else 0], ahead)
            depths[samples : samples + LANES] = depths[samples - 1]
            weights[:] = f32(0.0)
            passing = f32(1.0)
            start = 0
            ready = 0
            while start < samples - 1 and passing > PASSED:
                while ready < min(start + LANES + 1, samples):
                    k = order[ready]
                    if not known[k]:
                        for c in range(3):
                            point[c] = o[c] + depths[ready] * v[c]
                        raw[k] = _query(
                            point, texels, axes, h, w, scale,
                            first_bias, density, density_bias, hidden, k * d,
                        )  # fmt: skip
                        known[k] = True
                    densities[ready] = raw[k]
                    ready += 1
                _absorb(depths, densities, alpha, start)
                for j in range(start, min(start + LANES, samples - 1)):
                    weights[j] = alpha[j] * passing
                    passing *= f32(1.0) - alpha[j] + f32(1e-10)
                start += LANES
        _compose(
            ray, samples, depths, order, weights, which, mass, hidden, d, second, bias,
            flat, depth, opacity, margin, white,
        )  # fmt: skip
        ranges[ray, 0], ranges[ray, 1] = depths[0], depths[samples - 1]


@njit(error_model="numpy")
def _compose(
    ray, samples, depths, order, weights, which, mass, hidden, d, second, bias,
    flat, depth, opacity, margin, white,
):  # fmt: skip
    """Opacity, depth and colour of a ray from the weights of its intervals."""
    sum_w, sum_z = f32(0.0), f32(0.0)
    count = 0
    before = f32(0.0)
    for j in range(samples):
        here = weights[j] if j < samples - 1 else f32(0.0)
        if j < samples - 1:
            sum_w += here
            sum_z += here * f32(0.5) * (depths[j] + depths[j + 1])
        share = f32(0.5) * (before + here)
        before = here
        if share > COUNTS:
            which[count], mass[count] = order[j], share
            count += 1
    opacity[ray] = sum_w
    depth[ray] = sum_z / sum_w if sum_w > f32(0.0) else np.inf
    out = ray * bias.size
    _color(hidden, d, which, mass, count, second, bias, flat, out)
    background = f32(1.0) - sum_w if white else f32(0.0)
    for c in range(bias.size):
        inner = flat[out + c] * (f32(1.0) + f32(2.0) * margin) - margin * sum_w
        flat[out + c] = f32(2.0) * (inner + background) - f32(1.0)
