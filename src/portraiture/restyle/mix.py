"""Style mixing (Ma et al. 2023, section 4.3, figure 5): interpolation of w_s.

front in style A ─E─▶ w_s ─┐
front in style B ─E─▶ w_s ─┴─(1 - t)·A + t·B─▶ modulation layers ─▶ planes
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.errors import RestyleError
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.image_to_planes import ImageToPlanes, planes_of_mean
from portraiture.ops.resize import resized


@torch.no_grad()
def mixed_planes(
    network: ImageToPlanes,
    generator: TriPlaneGenerator,
    first: Float[Tensor, "1 3 R R"],
    second: Float[Tensor, "1 3 R R"],
    amount: float,
) -> tuple[Float[Tensor, "1 3 C P P"], Float[Tensor, "1 N D"]]:
    """Planes and w+ between two styles' edited fronts, in [-1, 1]. amount: t, 0 for the first and 1
    for the second. Raises RestyleError outside of [0, 1]."""
    if not 0.0 <= amount <= 1.0:
        raise RestyleError(f"The share of the second style must be from 0 to 1, not {amount}.")
    size = network.config.image_size
    code, whole = network.encode(torch.cat([resized(first, size), resized(second, size)]))
    offsets, w = network.decode(
        torch.lerp(code[:1], code[1:], amount), torch.lerp(whole[:1], whole[1:], amount)
    )
    w_avg = generator.backbone.mapping.w_avg
    ws = (w_avg + w)[:, None].expand(-1, generator.num_ws, -1)
    return planes_of_mean(generator) + offsets, ws
