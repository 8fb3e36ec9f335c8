"""Density on a regular grid, for surface extraction.

planes ─first layer─▶ tables ─resampled at grid coordinates─▶ sums ─▶ softplus ─▶ density
On a grid the bilinear samples of a plane repeat along its normal, so they are computed once for
each pair of coordinates, and a point costs only one hidden layer's activation.
Letters: N points per side, C channels.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.triplane.planes import PlaneAxes, sample_planes
from portraiture.triplane.tables import FusedDecoder, VolumeBackend, choose_backend
from portraiture.triplane.volume import CHUNK, Decode


def grid_coordinates(resolution: int, side: float) -> Float[Tensor, "N"]:
    """Coordinates along each axis, from -side/2 to side/2 inclusive."""
    return torch.linspace(-side / 2, side / 2, resolution)


def density_grid(
    planes: Float[Tensor, "3 C H W"],
    decode: Decode,
    *,
    resolution: int = 256,
    side: float | None = None,
    box_warp: float = 1.0,
    axes: PlaneAxes = "original",
    backend: VolumeBackend = "auto",
) -> Float[Tensor, "N N N"]:
    """Raw densities at points (x_i, y_j, z_k) → [i, j, k]; the absorption is softplus(density - 1).

    side: of the cube around the origin, EG3D units; `box_warp` by default. No gradients. Raises
    RuntimeError if a backend requested by name is unavailable.
    """
    if resolution < 2:
        raise ValueError(f"a grid has at least 2 points a side, not {resolution}")
    steps = grid_coordinates(resolution, box_warp if side is None else side)
    with torch.no_grad():
        if choose_backend(backend, decode, planes) == "numba":
            from portraiture.triplane.density_numba import density_grid_numba

            assert isinstance(decode, FusedDecoder)
            return density_grid_numba(planes, decode.weights(), steps, box_warp=box_warp, axes=axes)
        return _reference(planes, decode, steps.to(planes), box_warp, axes)


def _reference(
    planes: Tensor, decode: Decode, steps: Tensor, box_warp: float, axes: PlaneAxes
) -> Tensor:
    n = len(steps)
    slabs = []
    for few in steps.split(max(1, CHUNK // (n * n))):
        points = torch.cartesian_prod(few, steps, steps)[None]
        features = sample_planes(planes[None], points, box_warp=box_warp, axes=axes)
        slabs.append(decode(features)[1].reshape(len(few), n, n))
    return torch.cat(slabs)
