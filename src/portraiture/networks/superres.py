"""Superresolution modules of EG3D (Chan et al. 2022, section 4.3): rendered features → image.

All 32 features, the first three of which are the colour, pass two StyleGAN2 blocks modulated by the
last w only. The four published heads differ in input size, output size and width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.stylegan2 import Noise, SynthesisBlock

SuperresName = Literal["8XDC", "8X", "4X", "2X"]


@dataclass(frozen=True)
class HeadSizes:
    """input: side of the input features. output: side of the image. widths: of both blocks. ups:
    which of them double the size. grow_only: inputs larger than `input` are not resized."""

    input: int
    output: int
    widths: tuple[int, int]
    ups: tuple[bool, bool]
    grow_only: bool = False


HEADS: dict[SuperresName, HeadSizes] = {
    "8XDC": HeadSizes(128, 512, (256, 128), (True, True)),
    "8X": HeadSizes(128, 512, (128, 64), (True, True)),
    "4X": HeadSizes(128, 256, (128, 64), (False, True), grow_only=True),
    "2X": HeadSizes(64, 128, (128, 64), (False, True)),
}


class Superresolution(nn.Module):
    """Two blocks; names and layouts of the published checkpoints."""

    def __init__(
        self,
        head: SuperresName,
        *,
        features: int = 32,
        w_dim: int = 512,
        antialias: bool = True,
        widths: tuple[int, int] | None = None,
        clamp: float | None = 256.0,
    ) -> None:
        super().__init__()
        self.sizes, self.antialias = HEADS[head], antialias
        inner, outer = widths or self.sizes.widths
        middle = self.sizes.input * (2 if self.sizes.ups[0] else 1)
        up0, up1 = self.sizes.ups
        self.block0 = SynthesisBlock(features, inner, w_dim, middle, 3, up=up0, clamp=clamp)
        self.block1 = SynthesisBlock(inner, outer, w_dim, self.sizes.output, 3, up=up1, clamp=clamp)

    def forward(
        self,
        features: Float[Tensor, "B C n n"],
        ws: Float[Tensor, "B N D"],
        *,
        noise: Noise = "none",
        resize: bool = True,
    ) -> Float[Tensor, "B 3 R R"]:
        """Features at any size → image of ``HEADS[head].output``². resize: False keeps the size of
        the features, as for training patches."""
        return self.stages(features, ws, noise=noise, resize=resize)[1]

    def stages(
        self,
        features: Float[Tensor, "B C n n"],
        ws: Float[Tensor, "B N D"],
        *,
        noise: Noise = "none",
        resize: bool = True,
    ) -> tuple[Float[Tensor, "B 3 m m"], Float[Tensor, "B 3 R R"]]:
        """The colours after each block; the second is the image."""
        styles = self.styles(ws)
        x = self.resized(features) if resize else features
        x, first = self.block0(x, x[:, :3], styles[0], noise)
        return first, self.block1(x, first, styles[1], noise)[1]

    def styles(self, ws: Float[Tensor, "B N D"]) -> tuple[list[Tensor], list[Tensor]]:
        """Style activations of both blocks, from the last w."""
        last = ws[:, -1:].repeat(1, 3, 1)
        return self.block0.styles(last), self.block1.styles(last)

    def resized(self, features: Tensor) -> Tensor:
        """Resize bilinearly to the head's input size if necessary."""
        side, wanted = features.shape[-1], self.sizes.input
        if side == wanted or (self.sizes.grow_only and side > wanted):
            return features
        return F.interpolate(
            features, size=(wanted, wanted), mode="bilinear", align_corners=False,
            antialias=self.antialias,
        )  # fmt: skip
