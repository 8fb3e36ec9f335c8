"""Contact sheets of a style beside its source."""

from __future__ import annotations

from math import radians

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.adapt.style import Style, styled
from portraiture.adapt.views import canonical
from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.train.grids import stack_rows, tile
from portraiture.train.rng import generator as rng_of

YAWS = (radians(-40.0), 0.0, radians(40.0))
"""Views of a sheet."""
NEAR, FAR = 2.3, 3.0
"""Depths shown black and white, EG3D units."""


@torch.no_grad()
def style_grid(
    source: TriPlaneGenerator, style: Style, *, people: int, amount: float = 1.0,
    shape: float = 1.0, seed: int = 0,
) -> ndarray:  # fmt: skip
    """One row for each of `people` fixed latents: G_s from the front, G_t from `YAWS`, its depths
    from there. amount: of the warp, shape: of Δs."""
    like = next(source.parameters())
    z = torch.randn(people, source.config.z_dim, generator=rng_of(seed)).to(like)
    network = styled(source, style, shape=shape)
    views = torch.stack([_camera(yaw) for yaw in YAWS]).to(like)
    rows = []
    for one in z.split(1):
        ws = canonical(source, one)
        plain = source.synthesize(ws, views[1:2], deterministic=True, backend=_backend(like))
        planes = style.warp(network.planes(ws), ws, amount=amount).expand(3, -1, -1, -1, -1)
        volume = network.render(planes, views, deterministic=True, backend=_backend(like))
        images = network.upsample(volume.features, ws.expand(3, -1, -1), backend=_backend(like))
        side = images.shape[-1]
        colors = tile(torch.cat([plain.image, images]), columns=4)
        depths = tile(volume.depth, side=side, columns=3, span=(NEAR, FAR))
        rows.append(np.concatenate([colors, depths], axis=1))
    return stack_rows(*rows)


def _camera(yaw: float) -> Float[Tensor, "25"]:
    return torch.from_numpy(to_eg3d(eg3d_orbit(yaw, 0.0))).float()


def _backend(like: Tensor):
    return "torch" if like.is_cuda else "auto"
