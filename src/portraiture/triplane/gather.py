"""Samples of planes whose texels' channels lie side by side, with gradients for planes alone.

The same numbers as `planes.sample_planes` and, in `networks.plane_flow`, `move_planes`, for
optimising the planes of one head. torch's own gradient of `grid_sample` on a CPU takes three to
four times as long: it adds to every channel's map apart, and computes that of places as well.
Letters: K planes, H×W texels, C channels, M points.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.triplane.planes import PlaneAxes, project_on_planes

PARTS = 2
"""Bands of a plane's rows to which gradients are added in parallel."""


def gather_planes(
    planes: Float[Tensor, "1 3 C H W"], points: Float[Tensor, "1 M 3"], *, box_warp: float,
    axes: PlaneAxes = "original",
) -> Float[Tensor, "1 M C"]:  # fmt: skip
    """`planes.sample_planes`. Faster where the planes' memory has the channels last."""
    places = project_on_planes(points, box_warp=box_warp, axes=axes)[0]
    return gathered(planes[0].permute(0, 2, 3, 1), places)[None] / len(places)


def gathered(
    texels: Float[Tensor, "K H W C"], places: Float[Tensor, "K M 2"]
) -> Float[Tensor, "M C"]:
    """Sum over planes of bilinear samples, zero outside. places: in [-1, 1] along the width and
    along the height; no gradients reach them. Numba's kernels on a CPU with 32 channels or a
    multiple, else torch's."""
    if texels.device.type == "cpu" and texels.dtype == torch.float32:
        from portraiture.ops.simd_numba import LANES

        if not texels.shape[3] % LANES:
            return _Gathered.apply(texels, places.detach())  # type: ignore
    maps = texels.permute(0, 3, 1, 2)
    found = F.grid_sample(maps, places.detach()[:, None].to(maps.dtype), align_corners=False)
    return found[:, :, 0].sum(0).T


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, texels: Tensor, places: Tensor) -> Tensor:
        from portraiture.ops.parallel import in_threads
        from portraiture.triplane.gather_numba import gather

        k, h, w, c = texels.shape
        m = places.shape[1]
        where = places.float().contiguous().view(-1)
        out = torch.empty(m, c)
        in_threads(
            gather, m, texels.detach().contiguous().view(-1).numpy(), where.numpy(),
            out.view(-1).numpy(), k, m, h, w, c,
        )  # fmt: skip
        ctx.where, ctx.sizes = where, (k, h, w, c, m)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        from portraiture.ops.parallel import in_threads
        from portraiture.triplane.gather_numba import scatter

        k, h, w, c, m = ctx.sizes
        texels = torch.zeros(k, h, w, c)
        values = grads[0].contiguous().view(-1).numpy()
        in_threads(
            scatter, k * PARTS, values, ctx.where.numpy(), texels.view(-1).numpy(), m, h, w, c,
            PARTS,
        )  # fmt: skip
        return texels, None
