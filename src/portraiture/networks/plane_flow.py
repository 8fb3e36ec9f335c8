"""A flow that warps canonical planes to a person's geometry.

w ─linear─▶ coefficients ─basis─▶ flow of each plane ─resampling─▶ the person's planes
Modulated convolutions control appearance well but position badly, and the eyes of different people
are a few texels apart. Here the backbone synthesises all eyes in a canonical position, and a
low-rank displacement of each plane, linear in w, moves them. The result is ordinary tri-planes.
Letters: B batch, C channels, P plane side, S flow side, D w dimension.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.layers import Linear
from portraiture.triplane.gather import gathered


class PlaneFlow(nn.Module):
    """Flows as a mean and `rank` basis flows, in plane coordinates ([-1, 1] along each side).

    Mean and basis are buffers: they are precomputed (`generate.train.pretrain_flow`), and a step of
    Adam would be as large as a fine basis flow. Only the coefficients are trained.
    """

    basis: Tensor
    mean: Tensor

    def __init__(self, w_dim: int, *, rank: int, size: int) -> None:
        super().__init__()
        self.coefficients = Linear(w_dim, rank)
        self.register_buffer("basis", torch.zeros(rank, 3, 2, size, size))
        self.register_buffer("mean", torch.zeros(3, 2, size, size))

    def forward(self, w: Float[Tensor, "B D"]) -> Float[Tensor, "B 3 2 S S"]:
        """Displacement from each texel of a person's planes to its features on the canonical
        planes."""
        with torch.autocast(w.device.type, enabled=False):
            numbers = self.coefficients(w.float())
            return self.mean + torch.einsum("bk,kpcij->bpcij", numbers, self.basis)


def flow_places(size: int, *, like: Tensor | None = None) -> Float[Tensor, "S S 2"]:
    """Plane coordinates (along the width, along the height) of the texels of a size² plane."""
    device = None if like is None else like.device
    centres = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) * (2.0 / size) - 1.0
    rows, columns = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([columns, rows], -1)


def move_planes(
    planes: Float[Tensor, "B 3 C P P"], flow: Float[Tensor, "B 3 2 S S"]
) -> Float[Tensor, "B 3 C P P"]:
    """Warp planes by a flow: bilinear samples with repeated edges. Computed in float32, since
    bfloat16 cannot resolve half a texel of 256 near 1."""
    b, k, c, p, _ = planes.shape
    flow = flow.flatten(0, 1).float()
    fine = F.interpolate(flow, size=(p, p), mode="bicubic", align_corners=False)
    where = flow_places(p, like=planes) + fine.permute(0, 2, 3, 1)
    moved = F.grid_sample(
        planes.flatten(0, 1).float(), where,
        mode="bilinear", padding_mode="border", align_corners=False,
    )  # fmt: skip
    return moved.to(planes.dtype).view(b, k, c, p, p)


def moved_places(flow: Float[Tensor, "1 3 2 S S"], size: int) -> Float[Tensor, "3 P*P 2"]:
    """Where on the planes before a flow each texel of the moved planes is, in [-1, 1], edges
    repeated. size: P."""
    fine = F.interpolate(flow[0].float(), (size, size), mode="bicubic", align_corners=False)
    where = flow_places(size, like=fine) + fine.permute(0, 2, 3, 1)
    return where.flatten(1, 2).clamp(1.0 / size - 1.0, 1.0 - 1.0 / size)


def move_gathered(
    planes: Float[Tensor, "1 3 C P P"], places: Float[Tensor, "3 P*P 2"]
) -> Float[Tensor, "1 3 C P P"]:
    """`move_planes` by `moved_places`, with the channels last in memory (`triplane.gather`).
    Gradients reach the planes alone."""
    texels = planes[0].permute(0, 2, 3, 1)
    rows = [gathered(one[None], where[None]) for one, where in zip(texels, places, strict=True)]
    return torch.stack(rows).view(texels.shape).permute(0, 3, 1, 2)[None]
