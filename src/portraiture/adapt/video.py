"""Videos of a head in a style, moved by the codes of a clip (3DAvatarGAN, section 4).

frame k ─encoder─▶ w_k;   w + (w_k - w_0) on layers 7 to 10 ─G_t─▶ frame of the avatar
Letters: F frames, N rows of w+, D w dimension.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from portraiture.adapt.style import LARGEST_WARP, Style
from portraiture.adapt.stylise import amount_of, check_worn
from portraiture.camera import eg3d_orbit
from portraiture.errors import AdaptError
from portraiture.head import Head
from portraiture.meshing.head_mesh import render_head
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.types import as_uint8

Rows = Literal["published", "all"]
"""published: layers 7 to 10 of EG3D's 14, which are those of blocks of 64 and 128 texels. all:
every row, for generators like `heads` whose first row moves the planes. [ours]"""
PUBLISHED = (64, 128)


@dataclass(frozen=True)
class Motion:
    """ws: codes of the frames. yaw: of the camera of each, radians. smooth: standard deviation of
    the codes' smoothing over time, frames; 0 for none. [ours: an encoder's codes tremble]"""

    ws: Float[Tensor, "F N D"]
    yaw: Float[ndarray, "F"]
    smooth: float = 1.0


def moved_rows(generator: TriPlaneGenerator, rows: Rows) -> list[int]:
    """Rows of w+ on which differences act. Raises AdaptError where a generator has none."""
    if rows == "all":
        return list(range(generator.num_ws))
    synthesis, found, first = generator.backbone.synthesis, [], 0
    for resolution in synthesis.resolutions:
        count = synthesis.block(resolution).convs
        if resolution in PUBLISHED:
            found += range(first, first + count)
        first += count
    if not found:
        raise AdaptError("This generator has no layers 7 to 10; use --rows all.")
    return found


def transferred(
    ws: Float[Tensor, "1 N D"], motion: Motion, rows: list[int]
) -> Float[Tensor, "F N D"]:
    """w + (w_k - w_0) on these rows, for every frame k."""
    change = smoothed(motion.ws - motion.ws[:1], motion.smooth)
    out = ws.repeat(len(change), 1, 1)
    out[:, rows] += change[:, rows].to(out)
    return out


def smoothed(x: Float[Tensor, "F N D"], deviation: float) -> Float[Tensor, "F N D"]:
    """A Gaussian mean over time, with repeated ends."""
    reach = int(3 * deviation)
    if reach < 1:
        return x
    t = torch.arange(-reach, reach + 1, dtype=x.dtype)
    taps = torch.exp(-0.5 * (t / deviation).square())
    taps = taps / taps.sum()
    at = (torch.arange(len(x))[:, None] + torch.arange(-reach, reach + 1)).clamp(0, len(x) - 1)
    return torch.einsum("fknd,k->fnd", x[at], taps)


def swinging(frames: int, reach: float) -> Float[ndarray, "F"]:
    """Yaws of a camera that swings once from side to side."""
    return reach * np.sin(np.linspace(0.0, 2.0 * pi, frames, endpoint=False))


@torch.no_grad()
def animate(
    head: Head, style: Style, motion: Motion, *, rows: Rows = "published"
) -> Iterator[UInt8[ndarray, "R R 3"]]:
    """Frames of a head in a style, moved by a clip's codes. Raises AdaptError, HeadError."""
    if head.ws is None:
        raise AdaptError("Only a head with a latent w can be moved.")
    check_worn(head, style)
    network = head.network
    amount = amount_of(head, 2, LARGEST_WARP)
    codes = transferred(head.ws, motion, moved_rows(network, rows))
    for ws, yaw in zip(codes.split(1), motion.yaw, strict=True):
        ws = ws.to(head.models.device)
        planes = style.warp(network.planes(ws), ws, amount=amount)
        yield as_uint8(render_head(network, ws, planes, eg3d_orbit(float(yaw), 0.0)).image)
