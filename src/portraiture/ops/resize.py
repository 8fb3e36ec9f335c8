"""Images as tensors at another size."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def resized(
    images: Float[Tensor, "B C H W"],
    side: int,
    *,
    grow: Literal["bilinear", "nearest"] = "bilinear",
) -> Float[Tensor, "B C S S"]:
    """Images at side² pixels, bilinear and antialiased; differentiable twice. grow: how images that
    become larger are interpolated. Returns images whose width is `side` as they are."""
    if images.shape[-1] == side:
        return images
    if grow == "nearest" and images.shape[-1] < side:
        return F.interpolate(images, (side, side), mode="nearest")
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True)
