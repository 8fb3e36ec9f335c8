"""Exaggeration: a thin-plate-spline warp of the front plane (3DAvatarGAN, section 3.4).

front plane, w ─StyleGAN2 layer─▶ features ─pooled─▶ MLP ─▶ displacements d of control points
planes ─front plane resampled at x + amount · u(x; d)─▶ planes
Letters: B heads, N rows of w+, D w dimension, C channels and P side of a plane, K control points.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.adapt.thin_plate import control_grid, spline_matrices
from portraiture.networks.layers import Linear
from portraiture.networks.plane_flow import flow_places
from portraiture.networks.stylegan2 import SynthesisLayer

FRONT = 0
"""The plane (x, y), the first of either convention of axes."""


@dataclass(frozen=True)
class WarpConfig:
    """controls: control points a side. pooled: side to which features are averaged. hidden: width
    of the MLP. limit: largest displacement of a control point along an axis, in plane coordinates
    of which the plane has 2. Numbers that the paper does not tell. [ours]"""

    controls: int = 5
    pooled: int = 8
    hidden: int = 128
    limit: float = 0.25

    def __post_init__(self) -> None:
        """Raises ValueError on sizes that no style has; the spline takes controls⁴ numbers."""
        if not (2 <= self.controls <= 16 and 1 <= self.pooled <= 64 and self.hidden >= 1):
            raise ValueError("a warp has 2 to 16 control points a side")
        if not 0.0 < self.limit <= 1.0:
            raise ValueError("the limit of a warp is at most 1")


class FrontWarp(nn.Module):
    """Control points from the front plane's features and w; the identity until trained."""

    spread: Tensor
    bending: Tensor

    def __init__(self, config: WarpConfig, *, features: int, w_dim: int, side: int) -> None:
        super().__init__()
        self.config = config
        self.layer = SynthesisLayer(features, features, w_dim, side, up=False, clamp=None)
        self.hidden = Linear(features * config.pooled**2, config.hidden, activation="lrelu")
        self.out = Linear(config.hidden, 2 * config.controls**2)
        if not self.out.weight.is_meta:
            nn.init.zeros_(self.out.weight)
        spread, bending = self._matrices(side)
        self.register_buffer("spread", spread, persistent=False)
        self.register_buffer("bending", bending, persistent=False)

    def _matrices(self, side: int) -> tuple[Tensor, Tensor]:
        """See `thin_plate.spline_matrices`; empty on the meta device."""
        count = self.config.controls**2
        if self.out.weight.is_meta:
            return torch.empty(side**2, count), torch.empty(count, count)
        places = flow_places(side).flatten(0, 1)
        spread, bending = spline_matrices(control_grid(self.config.controls), places)
        return spread.float(), bending.float()

    def controls(
        self, planes: Float[Tensor, "B 3 C P P"], w: Float[Tensor, "B D"]
    ) -> Float[Tensor, "B K 2"]:
        """Displacements of the control points, plane coordinates, within the limit."""
        x = self.layer(planes[:, FRONT].float(), self.layer.affine(w.float()), "none")
        x = F.adaptive_avg_pool2d(x, self.config.pooled).flatten(1)
        return self.config.limit * self.out(self.hidden(x)).tanh().unflatten(1, (-1, 2))

    def energy(self, controls: Float[Tensor, "B K 2"]) -> Float[Tensor, "B"]:
        """Bending energy of the spline (`thin_plate.spline_matrices`)."""
        return torch.einsum("bkc,kl,blc->b", controls, self.bending, controls)

    def move(
        self, planes: Float[Tensor, "B 3 C P P"], controls: Float[Tensor, "B K 2"], *,
        amount: float = 1.0,
    ) -> Float[Tensor, "B 3 C P P"]:  # fmt: skip
        """Planes with the front plane warped: bilinear samples with repeated edges. amount: factor
        on the displacements, in which the warp is linear; 0 is the identity."""
        side = planes.shape[-1]
        field = (self.spread @ controls.to(self.spread)).view(-1, side, side, 2)
        where = flow_places(side, like=planes) + amount * field
        front = F.grid_sample(
            planes[:, FRONT].float(), where, mode="bilinear", padding_mode="border",
            align_corners=False,
        )  # fmt: skip
        return torch.cat([front.to(planes.dtype)[:, None], planes[:, FRONT + 1 :]], 1)

    def forward(
        self, planes: Float[Tensor, "B 3 C P P"], ws: Float[Tensor, "B N D"], *,
        amount: float = 1.0,
    ) -> Float[Tensor, "B 3 C P P"]:  # fmt: skip
        """Planes of ws, exaggerated."""
        if amount == 0.0:
            return planes
        return self.move(planes, self.controls(planes, ws[:, 0]), amount=amount)
