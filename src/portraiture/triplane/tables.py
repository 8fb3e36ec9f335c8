"""Tables precomputed from planes and decoder, shared by all fused volume renderers.

planes ─first layer of the decoder─▶ tables ─┬─ two samples a point ─▶ softplus ─▶ density, colour
The first layer is linear, as are bilinear sampling and the mean over planes, so it can be applied
to texels instead of points, of which there are ten times as many. The original third plane (z, x)
is the second with its axes exchanged, so both are merged into one table. Both identities are exact.
Letters: C channels, D hidden units, K colours, P tables (2 or 3).
"""

from __future__ import annotations

import importlib.util
import logging
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.ops.workers import run_pieces
from portraiture.triplane.planes import AXES, PlaneAxes

log = logging.getLogger(__name__)

VolumeBackend = Literal["auto", "torch", "numba", "triton"]
Chosen = Literal["torch", "numba", "triton"]
ROWS = 16
"""Rows of texels per work item."""
LARGEST_HALF = 65504.0


class DecoderWeights(NamedTuple):
    """A decoder softplus(x·first + first_bias)·second + second_bias whose output 0 is the density
    and whose others are colours sigmoid(·)·(1 + 2·margin) - margin.

    first: (C, D), first_bias: (D,), second: (D, 1+K), second_bias: (1+K,); gains are included.
    """

    first: Float[Tensor, "C D"]
    first_bias: Float[Tensor, "D"]
    second: Float[Tensor, "D O"]
    second_bias: Float[Tensor, "O"]
    margin: float


@runtime_checkable
class FusedDecoder(Protocol):
    """A decoder that fused renderers support."""

    def weights(self) -> DecoderWeights: ...


@dataclass(frozen=True)
class RaySampling:
    """Depths and uniform numbers along rays, shared by all rays if the first size is 1.

    coarse: (R or 1, S) depths, ascending. u: (R or 1, N) in [0, 1], for importance sampling.
    """

    coarse: Float[Tensor, "R S"]
    u: Float[Tensor, "R N"]


class Pixels(NamedTuple):
    """One image. color: (R, K) in [-1, 1]. depth: (R,) along the ray, not yet clamped to the
    sampled range (inf if nothing was hit). opacity: (R,). near, far: the sampled range."""

    color: Float[Tensor, "R K"]
    depth: Float[Tensor, "R"]
    opacity: Float[Tensor, "R"]
    near: float
    far: float


@dataclass(frozen=True)
class Tables:
    """texels: one (H+2, W+2, D) table per plane, with the first layer applied and a border of
    zeros. axes: coordinate axes along a table's width and along its height."""

    texels: tuple[Float[Tensor, "..."], ...]
    axes: tuple[tuple[int, int], ...]


def make_tables(
    planes: Float[Tensor, "3 C H W"],
    first: Float[Tensor, "C D"],
    *,
    axes: PlaneAxes,
    dtype: torch.dtype = torch.float16,
) -> Tables:
    """The decoder's first layer applied to the texels of each plane, divided by the number of
    planes."""
    pairs = AXES[axes]
    sheets = planes.detach().float()
    c, h, w = sheets.shape[1:]
    merged = pairs[2] == pairs[1][::-1] and h == w
    matrix = first.detach().float() / len(pairs)
    texels = [
        torch.empty(h + 2, w + 2, matrix.shape[1], dtype=dtype, device=planes.device)
        for _ in range(2 if merged else 3)
    ]
    for table in texels:
        table[0], table[-1], table[:, 0], table[:, -1] = 0, 0, 0, 0

    def work(piece: int) -> None:
        rows = slice(piece * ROWS, min(piece * ROWS + ROWS, h))
        for k, table in enumerate(texels):
            sheet = sheets[k, :, rows]
            if merged and k == 1:
                sheet = sheet + sheets[2, :, :, rows].transpose(1, 2)
            flat = sheet.reshape(c, -1).T @ matrix
            if dtype == torch.float16:
                flat = flat.clamp_(-LARGEST_HALF, LARGEST_HALF)
            table[rows.start + 1 : rows.stop + 1, 1:-1] = flat.view(-1, w, flat.shape[1])

    run_pieces(work, -(-h // ROWS))
    return Tables(tuple(texels), tuple(pairs[: len(texels)]))


def choose_backend(
    backend: VolumeBackend, decode: object, *inputs: Tensor, fixed: tuple[Tensor, ...] = ()
) -> Chosen:
    """Resolve the backend. `auto` takes the device's fused backend if it is installed, supports the
    decoder and, on the CPU, no gradient is needed; else torch.

    fixed: inputs for which no fused backend has gradients. Raises RuntimeError if a backend
    requested by name is unavailable.
    """
    if backend == "torch":
        return "torch"
    everything = (*inputs, *(decode.weights()[:4] if isinstance(decode, FusedDecoder) else ()))
    device = everything[0].device.type
    wanted: Chosen = backend if backend != "auto" else ("triton" if device == "cuda" else "numba")
    active = torch.is_grad_enabled()
    lack = None
    if importlib.util.find_spec(wanted) is None:
        lack = f"{wanted} is not installed"
    elif not isinstance(decode, FusedDecoder):
        lack = "the decoder does not provide its weights"
    elif any(x.dtype == torch.float64 for x in everything):
        lack = "it does not render in double precision"
    elif active and any(x.requires_grad for x in fixed):
        lack = "it has no gradients for cameras"
    elif active and wanted == "numba" and any(x.requires_grad for x in everything):
        lack = "it has no gradients"
    elif device != {"numba": "cpu", "triton": "cuda"}[wanted] and not _interpreted(wanted):
        lack = f"it does not run on {device}"
    if lack is None:
        return wanted
    if backend != "auto":
        raise RuntimeError(f"backend '{backend}' was requested but {lack}")
    if importlib.util.find_spec(wanted) is None:
        _log_fallback(wanted)
    return "torch"


def _interpreted(wanted: Chosen) -> bool:
    """Whether Triton's interpreter runs kernels on the CPU, for tests."""
    return wanted == "triton" and os.environ.get("TRITON_INTERPRET") == "1"


@lru_cache(maxsize=2)
def _log_fallback(wanted: str) -> None:
    log.warning("%s is not installed: volumes are rendered by the slower torch reference", wanted)
