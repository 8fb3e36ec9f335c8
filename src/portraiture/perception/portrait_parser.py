"""Parse a portrait: a class for every pixel, and its looks (hair, beard, glasses …) [ours].

image ─ParserNetwork─▶ logits of `Segment` ─┐
        deepest features ───────────────────┴─LooksHead─▶ logits of `LOOKS`
Trained on portraits of real people and on renders. Letters: B images, H×W pixels (multiples of 16).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.ops.resize import resized
from portraiture.perception.looks import Look, LooksHead, split
from portraiture.perception.parser import ParserConfig, ParserNetwork


@dataclass(frozen=True)
class PortraitParserConfig:
    """widths: channels at 1/2, 1/4, 1/8 and 1/16 of the size. size: pixels of the crops it was
    trained on."""

    widths: tuple[int, ...] = (24, 48, 96, 160)
    size: int = 256


class PortraitParser(nn.Module):
    """Portraits to classes of pixels and looks."""

    model_name: ClassVar = "portrait-parser"

    def __init__(self, config: PortraitParserConfig) -> None:
        super().__init__()
        self.config = config
        self.pixels = ParserNetwork(ParserConfig(config.widths, config.size))
        self.looks = LooksHead(config.widths[-1])

    def forward(
        self, images: Float[Tensor, "B 3 H W"]
    ) -> tuple[Float[Tensor, "B 19 H W"], Float[Tensor, "B L"]]:
        """Logits of the pixels and of all looks (`looks.split`) of images in [-1, 1]."""
        logits, context = self.pixels.with_context(images)
        return logits, self.looks(context, logits, images)

    @torch.no_grad()
    def read(
        self, images: Float[Tensor, "B 3 R R"]
    ) -> tuple[Float[Tensor, "B 19 R R"], dict[Look, Float[Tensor, "B n"]]]:
        """Probabilities of the classes of each pixel and of the looks; square crops of any size."""
        side = images.shape[-1]
        logits, looks = self(resized(images, self.config.size))
        if side != self.config.size:
            logits = F.interpolate(logits.float(), (side, side), mode="bilinear")
        return logits.float().softmax(1), {k: v.softmax(1) for k, v in split(looks).items()}
