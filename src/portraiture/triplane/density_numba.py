"""CPU kernel for raw density on a regular grid; twin of `triplane.density_grid`'s reference."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numba import njit
from torch import Tensor

from portraiture.ops.simd_numba import LANES, fma, load, splat, store, total
from portraiture.ops.workers import run_pieces
from portraiture.triplane.planes import PlaneAxes
from portraiture.triplane.tables import DecoderWeights, make_tables
from portraiture.triplane.volume_numba import DecoderArrays, corner, flatten_tables, softplus

f32 = np.float32


def density_grid_numba(
    planes: Float[Tensor, "3 C H W"],
    weights: DecoderWeights,
    steps: Float[Tensor, "N"],
    *,
    box_warp: float,
    axes: PlaneAxes,
) -> Float[Tensor, "N N N"]:
    """Densities at (steps[i], steps[j], steps[k]) → [i, j, k]."""
    tables = make_tables(planes, weights.first, axes=axes)
    decoder = DecoderArrays(weights)
    bias, density, density_bias = decoder.arrays[:3]
    texels = flatten_tables(tables, decoder.hidden)
    h, w = tables.texels[0].shape[:2]
    n, where = len(steps), steps.numpy() * f32(2.0 / box_warp)
    # sheets[p][a·N + b]: table p at the pair (a, b) of its lower and its higher coordinate axis
    sheets = np.zeros((3, n * n * decoder.hidden), f32)
    pairs = np.array([[min(p), max(p), p[0] > p[1]] for p in tables.axes], np.int64)
    out = torch.empty(n, n, n)

    def resample(piece: int) -> None:
        p, row = divmod(piece, n)
        _resample(
            texels, p * h * w * decoder.hidden, where, row, bool(pairs[p, 2]), h, w,
            decoder.hidden, sheets[p],
        )  # fmt: skip

    def fill(i: int) -> None:
        third = sheets[2] if len(pairs) > 2 else sheets[2][:0]
        _fill(i, n, sheets[0], sheets[1], third, bias, density, density_bias, out[i].numpy())

    run_pieces(resample, n * len(pairs))
    run_pieces(fill, n)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _resample(texels, base, where, row, swapped, h, w, d, sheet):
    """One row of a sheet: the lower coordinate is fixed at where[row], the higher one varies."""
    for k in range(where.size):
        x, y = (where[k], where[row]) if swapped else (where[row], where[k])
        texel, fx, fy = corner(x, y, h, w)
        gx, gy = f32(1.0) - fx, f32(1.0) - fy
        a = base + texel * d
        b = a + w * d
        for v in range(0, d, LANES):
            top = load(texels, a + v) * splat(gx) + load(texels, a + d + v) * splat(fx)
            low = load(texels, b + v) * splat(gx) + load(texels, b + d + v) * splat(fx)
            store(sheet, (row * where.size + k) * d + v, top * splat(gy) + low * splat(fy))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(i, n, xy, xz, yz, bias, density, density_bias, out):
    """The slab at one x. xy, xz, yz: sheets of the pairs; yz may be empty."""
    d = bias.size
    for j in range(n):
        across = (i * n + j) * d
        for k in range(n):
            along = (i * n + k) * d
            raw = splat(f32(0.0))
            for v in range(0, d, LANES):
                unit = load(bias, v) + load(xy, across + v) + load(xz, along + v)
                if yz.size:
                    unit = unit + load(yz, (j * n + k) * d + v)
                raw = fma(softplus(unit), load(density, v), raw)
            out[j, k] = total(raw) + density_bias
