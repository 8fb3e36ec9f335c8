"""Thin-plate splines in the plane (Bookstein 1989; 3DAvatarGAN, section 3.4).

control points, displacements d ─▶ u(x) = a + B x + Σ c_k U(|x - p_k|),  U(r) = r² log r²
u interpolates d at the control points with the least bending energy, and is linear in d: all of it
is two fixed matrices. Letters: K control points, M places.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def control_grid(side: int, reach: float = 0.8) -> Float[Tensor, "K 2"]:
    """side² points, evenly spaced over [-reach, reach]², row by row; (along width, along
    height)."""
    steps = torch.linspace(-reach, reach, side, dtype=torch.float64)
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([columns, rows], -1).reshape(-1, 2)


def kernel(a: Float[Tensor, "M 2"], b: Float[Tensor, "K 2"]) -> Float[Tensor, "M K"]:
    """U(r) = r² log r², 0 at r = 0."""
    squared = (a[:, None] - b[None]).square().sum(-1)
    return squared * squared.clamp_min(1e-300).log()


def spline_matrices(
    points: Float[Tensor, "K 2"], places: Float[Tensor, "M 2"]
) -> tuple[Float[Tensor, "M K"], Float[Tensor, "K K"]]:
    """Matrices of the displacement at `places` and of the bending energy: u = F d and, summed over
    both coordinates, E = dᵀ C d (Bookstein 1989, eq. 7, without its constant). float64."""
    points, places = points.double(), places.double()
    k = len(points)
    affine = torch.cat([torch.ones(k, 1).double(), points], 1)
    system = torch.zeros(k + 3, k + 3, dtype=torch.float64)
    system[:k, :k], system[:k, k:], system[k:, :k] = kernel(points, points), affine, affine.T
    solved = torch.linalg.inv(system)[:, :k]
    at = torch.cat([kernel(places, points), torch.ones(len(places), 1).double(), places], 1)
    return at @ solved, solved[:k]
