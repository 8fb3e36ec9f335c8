"""Fused volume renderer for GPUs: plane sampling, decoder and compositing in one kernel.

(tables, rays, depths) ─densities─▶ density ─march, torch─▶ shares ─compose─▶ Σ share·colour
Features and hidden units of a point stay in registers; only its density and a ray's sum of colours
are written. The backward kernels recompute them and accumulate into the tables' gradients, so that
memory does not grow with the samples. No gradient flows to rays or depths.
Letters: B batch, R rays, S samples, D hidden units, K colours (powers of two), P tables.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false
from __future__ import annotations

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from portraiture.triplane.planes import AXES, PlaneAxes
from portraiture.triplane.tables import DecoderWeights

POINTS = 64
"""Points per program of `densities`."""
SAMPLES = 32
"""Samples of one ray per block of `compose`."""
PROGRAMS = 2048
"""Programs that share the rays in the backward pass of `compose`, each with its own partial
sums."""
SMALLEST = 16
"""Minimum dimension of a matrix product in Triton."""


class FusedField:
    """Planes and decoder of a batch, ready for `densities` and `compose`."""

    def __init__(
        self,
        planes: Float[Tensor, "B 3 C H W"],
        weights: DecoderWeights,
        *,
        box_warp: float,
        axes: PlaneAxes,
    ) -> None:
        pairs = AXES[axes]
        first, first_bias, second, second_bias = weights[:4]
        hidden, self.colors = first.shape[1], second.shape[1] - 1
        d, k = (max(SMALLEST, triton.next_power_of_2(x)) for x in (hidden, self.colors))
        sheets = list(planes.float().unbind(1))
        if pairs[2] == pairs[1][::-1] and planes.shape[3] == planes.shape[4]:
            sheets = [sheets[0], sheets[1] + sheets[2].transpose(2, 3)]
        first = F.pad(first / len(pairs), (0, d - hidden))
        tables = torch.stack([torch.einsum("bchw,cd->bhwd", s, first) for s in sheets], 1)
        tables = F.pad(tables, (0, 0, 1, 1, 1, 1)).contiguous()
        # fp16 halves the memory traffic; gradients are accumulated in the tables' own precision
        self.tables = tables if tables.requires_grad else tables.half()
        self.first_bias = F.pad(first_bias, (0, d - hidden)).contiguous()
        self.density = F.pad(second[:, 0], (0, d - hidden)).contiguous()
        self.density_bias = second_bias[0]
        self.second = F.pad(second[:, 1:], (0, k - self.colors, 0, d - hidden)).contiguous()
        self.second_bias = F.pad(second_bias[1:], (0, k - self.colors)).contiguous()
        self.scale = 2.0 / box_warp
        self.code = sum((x | y << 2) << 4 * p for p, (x, y) in enumerate(pairs[: len(sheets)]))

    def densities(
        self,
        origins: Float[Tensor, "B R 3"],
        directions: Float[Tensor, "B R 3"],
        depths: Float[Tensor, "B R S"],
    ) -> Float[Tensor, "B R S"]:
        """Raw densities along rays."""
        rays = (origins.contiguous(), directions.contiguous(), depths.contiguous())
        raw = _Densities.apply(self.tables, self.first_bias, self.density, rays, self)
        return raw + self.density_bias  # type: ignore[operator]

    def compose(
        self,
        origins: Float[Tensor, "B R 3"],
        directions: Float[Tensor, "B R 3"],
        depths: Float[Tensor, "B R S"],
        shares: Float[Tensor, "B R S"],
    ) -> Float[Tensor, "B R K"]:
        """Σ share·sigmoid(colour) along rays."""
        rays = (origins.contiguous(), directions.contiguous(), depths.contiguous())
        weights = (self.first_bias, self.second, self.second_bias)
        return _Compose.apply(
            self.tables, *weights, shares.contiguous(), rays, self
        )[  # type: ignore[index]
            ..., : self.colors
        ]

    def shape(self, depths: Tensor) -> dict[str, int | float]:
        """Sizes and constants that every kernel takes."""
        _, p, h, w, d = self.tables.shape
        _, rays, samples = depths.shape
        return {
            "rays": rays, "samples": samples, "scale": self.scale,
            "h": h, "w": w, "D": d, "P": p, "CODE": self.code,
        }  # fmt: skip


class _Densities(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tables, bias, density, rays, field):
        ctx.save_for_backward(tables, bias, density, *rays)
        ctx.field = field
        out = torch.empty_like(rays[2])
        grid = (triton.cdiv(out.numel(), POINTS),)
        _density_kernel[grid](
            tables, bias, density, *rays, out, out.numel(), **field.shape(rays[2]), N=POINTS
        )
        return out

    @staticmethod
    def backward(ctx, *gradients):
        tables, bias, density, *rays = ctx.saved_tensors
        given = gradients[0].contiguous()
        d_tables, d_bias, d_density = (torch.zeros_like(x) for x in (tables, bias, density))
        grid = (triton.cdiv(given.numel(), POINTS),)
        _density_backward_kernel[grid](
            tables, bias, density, *rays, given, d_tables, d_bias, d_density, given.numel(),
            **ctx.field.shape(rays[2]), N=POINTS,
        )  # fmt: skip
        return d_tables, d_bias, d_density, None, None


class _Compose(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tables, bias, second, second_bias, shares, rays, field):
        ctx.save_for_backward(tables, bias, second, second_bias, shares, *rays)
        ctx.field = field
        b, r = shares.shape[:2]
        out = shares.new_empty(b, r, second.shape[1])
        _compose_kernel[(b * r,)](
            tables, bias, second, second_bias, *rays, shares, out,
            **field.shape(rays[2]), K=second.shape[1], N=SAMPLES,
        )  # fmt: skip
        return out

    @staticmethod
    def backward(ctx, *gradients):
        *weights, shares, origins, directions, depths = ctx.saved_tensors
        d_weights = [torch.zeros_like(x) for x in weights]
        d_shares = torch.empty_like(shares)
        count = shares.shape[0] * shares.shape[1]
        _compose_backward_kernel[(min(PROGRAMS, count),)](
            *weights, origins, directions, depths, shares, gradients[0].contiguous(),
            *d_weights, d_shares, count, min(PROGRAMS, count),
            **ctx.field.shape(depths), K=weights[2].shape[1], N=SAMPLES,
        )  # fmt: skip
        return *d_weights, d_shares, None, None


@triton.jit
def _corner(origins, directions, ray, t, ok, axis: tl.constexpr, scale, size):
    """Lower texel of a plane coordinate and the fraction above it, within the border of zeros."""
    o = tl.load(origins + ray * 3 + axis, mask=ok, other=0.0)
    v = tl.load(directions + ray * 3 + axis, mask=ok, other=0.0)
    x = ((o + t * v) * scale + 1.0) * 0.5 * (size - 2) + 0.5
    x = tl.minimum(tl.maximum(x, 0.0), size - 1.0)
    i = tl.minimum(x.to(tl.int32), size - 2)
    return i, x - i.to(tl.float32)


@triton.jit
def _hidden(
    tables, bias, origins, directions, ray, t, ok, rays, scale, h, w,
    D: tl.constexpr, P: tl.constexpr, CODE: tl.constexpr,
):  # fmt: skip
    """Pre-activations (N, D) of the hidden units."""
    c = tl.arange(0, D)
    acc = tl.load(bias + c)[None, :] + tl.zeros((ray.shape[0], D), tl.float32)
    for p in tl.static_range(P):
        ix, fx = _corner(origins, directions, ray, t, ok, (CODE >> (4 * p)) & 3, scale, w)
        iy, fy = _corner(origins, directions, ray, t, ok, (CODE >> (4 * p + 2)) & 3, scale, h)
        sheet = (ray // rays).to(tl.int64) * P + p
        at = tables + (((sheet * h + iy) * w + ix) * D)[:, None] + c[None, :]
        acc += tl.load(at, mask=ok[:, None], other=0.0) * ((1 - fx) * (1 - fy))[:, None]
        acc += tl.load(at + D, mask=ok[:, None], other=0.0) * (fx * (1 - fy))[:, None]
        acc += tl.load(at + w * D, mask=ok[:, None], other=0.0) * ((1 - fx) * fy)[:, None]
        acc += tl.load(at + w * D + D, mask=ok[:, None], other=0.0) * (fx * fy)[:, None]
    return acc


@triton.jit
def _scatter(
    d_tables, d_acc, origins, directions, ray, t, ok, rays, scale, h, w,
    D: tl.constexpr, P: tl.constexpr, CODE: tl.constexpr,
):  # fmt: skip
    """Adjoint of `_hidden`: accumulates (N, D) into the tables' gradients."""
    c = tl.arange(0, D)
    for p in tl.static_range(P):
        ix, fx = _corner(origins, directions, ray, t, ok, (CODE >> (4 * p)) & 3, scale, w)
        iy, fy = _corner(origins, directions, ray, t, ok, (CODE >> (4 * p + 2)) & 3, scale, h)
        sheet = (ray // rays).to(tl.int64) * P + p
        at = d_tables + (((sheet * h + iy) * w + ix) * D)[:, None] + c[None, :]
        tl.atomic_add(at, d_acc * ((1 - fx) * (1 - fy))[:, None], mask=ok[:, None])
        tl.atomic_add(at + D, d_acc * (fx * (1 - fy))[:, None], mask=ok[:, None])
        tl.atomic_add(at + w * D, d_acc * ((1 - fx) * fy)[:, None], mask=ok[:, None])
        tl.atomic_add(at + w * D + D, d_acc * (fx * fy)[:, None], mask=ok[:, None])


@triton.jit
def _softplus(x):
    return tl.maximum(x, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(x)))


@triton.jit
def _density_kernel(
    tables, bias, density, origins, directions, depths, out, count, rays, samples, scale, h, w,
    D: tl.constexpr, P: tl.constexpr, CODE: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0) * N + tl.arange(0, N)
    ok = i < count
    t = tl.load(depths + i, mask=ok, other=0.0)
    x = _hidden(
        tables, bias, origins, directions, i // samples, t, ok, rays, scale, h, w, D, P, CODE
    )
    weight = tl.load(density + tl.arange(0, D))
    tl.store(out + i, tl.sum(_softplus(x) * weight[None, :], 1), mask=ok)


@triton.jit
def _density_backward_kernel(
    tables, bias, density, origins, directions, depths, given, d_tables, d_bias, d_density, count,
    rays, samples, scale, h, w,
    D: tl.constexpr, P: tl.constexpr, CODE: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    c = tl.arange(0, D)
    i = tl.program_id(0) * N + tl.arange(0, N)
    ok = i < count
    t = tl.load(depths + i, mask=ok, other=0.0)
    ray = i // samples
    x = _hidden(tables, bias, origins, directions, ray, t, ok, rays, scale, h, w, D, P, CODE)
    g = tl.load(given + i, mask=ok, other=0.0)[:, None]
    tl.atomic_add(d_density + c, tl.sum(g * _softplus(x), 0))
    d_x = g * tl.load(density + c)[None, :] * tl.sigmoid(x)
    tl.atomic_add(d_bias + c, tl.sum(d_x, 0))
    _scatter(d_tables, d_x, origins, directions, ray, t, ok, rays, scale, h, w, D, P, CODE)


@triton.jit
def _compose_kernel(
    tables, bias, second, second_bias, origins, directions, depths, shares, out,
    rays, samples, scale, h, w,
    D: tl.constexpr, P: tl.constexpr, CODE: tl.constexpr, K: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    c, k = tl.arange(0, D), tl.arange(0, K)
    one = tl.program_id(0)
    matrix = tl.load(second + c[:, None] * K + k[None, :])
    last = tl.load(second_bias + k)[None, :]
    acc = tl.zeros((K,), tl.float32)
    for start in range(0, samples, N):
        s = start + tl.arange(0, N)
        ok = s < samples
        t = tl.load(depths + one * samples + s, mask=ok, other=0.0)
        share = tl.load(shares + one * samples + s, mask=ok, other=0.0)
        ray = one + tl.zeros((N,), tl.int32)
        x = _hidden(tables, bias, origins, directions, ray, t, ok, rays, scale, h, w, D, P, CODE)
        color = tl.sigmoid(tl.dot(_softplus(x), matrix, input_precision="ieee") + last)
        acc += tl.sum(share[:, None] * color, 0)
    tl.store(out + one * K + k, acc)


@triton.jit
def _compose_backward_kernel(
    tables, bias, second, second_bias, origins, directions, depths, shares, given,
    d_tables, d_bias, d_second, d_second_bias, d_shares, count, programs,
    rays, samples, scale, h, w,
    D: tl.constexpr, P: tl.constexpr, CODE: tl.constexpr, K: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    c, k = tl.arange(0, D), tl.arange(0, K)
    matrix = tl.load(second + c[:, None] * K + k[None, :])
    last = tl.load(second_bias + k)[None, :]
    sum_matrix = tl.zeros((D, K), tl.float32)
    sum_last = tl.zeros((K,), tl.float32)
    sum_bias = tl.zeros((D,), tl.float32)
    for one in range(tl.program_id(0), count, programs):
        g = tl.load(given + one * K + k)[None, :]
        for start in range(0, samples, N):
            s = start + tl.arange(0, N)
            ok = s < samples
            t = tl.load(depths + one * samples + s, mask=ok, other=0.0)
            share = tl.load(shares + one * samples + s, mask=ok, other=0.0)[:, None]
            ray = one + tl.zeros((N,), tl.int32)
            x = _hidden(
                tables, bias, origins, directions, ray, t, ok, rays, scale, h, w, D, P, CODE
            )
            unit = _softplus(x)
            color = tl.sigmoid(tl.dot(unit, matrix, input_precision="ieee") + last)
            tl.store(d_shares + one * samples + s, tl.sum(g * color, 1), mask=ok)
            d_out = share * g * color * (1 - color)
            sum_last += tl.sum(d_out, 0)
            sum_matrix += tl.dot(tl.trans(unit), d_out, input_precision="ieee")
            d_x = tl.dot(d_out, tl.trans(matrix), input_precision="ieee") * tl.sigmoid(x)
            sum_bias += tl.sum(d_x, 0)
            _scatter(d_tables, d_x, origins, directions, ray, t, ok, rays, scale, h, w, D, P, CODE)
    tl.atomic_add(d_second + c[:, None] * K + k[None, :], sum_matrix)
    tl.atomic_add(d_second_bias + k, sum_last)
    tl.atomic_add(d_bias + c, sum_bias)
