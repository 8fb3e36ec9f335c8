"""Face parsing into the 19 classes of CelebAMask-HQ (`types.Segment`).

A small U-Net (Ronneberger et al. 2015) of residual blocks. The receptive field of a dilated context
block covers the whole crop, which distinguishes left from right and hair from hat.
    image ─▶ 1/2 ─▶ 1/4 ─▶ 1/8 ─▶ 1/16 ─▶ context ─▶ 1/8 ─▶ 1/4 ─▶ 1/2 ─▶ logits, upsampled to 1
Letters: B images, H×W pixels (multiples of 16).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from portraiture.types import Segment


@dataclass(frozen=True)
class ParserConfig:
    """widths: channels at 1/2, 1/4, 1/8 and 1/16 of the size. size: side in pixels of the EG3D
    crops it was trained on; others are resized."""

    widths: tuple[int, ...] = (16, 32, 64, 128)
    size: int = 128


class ParserNetwork(nn.Module):
    """Portraits to logits of segments."""

    def __init__(self, config: ParserConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.stem = Convolution(3, widths[0], stride=2)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(
            nn.Sequential(Convolution(a, b, stride=2), Block(b)) for a, b in pairs
        )
        deepest = widths[-1]
        self.context = nn.Sequential(Block(deepest, dilation=2), Block(deepest))
        self.glance = nn.Conv2d(deepest, deepest, 1)
        self.up = nn.ModuleList(Rise(b, a) for a, b in reversed(pairs))
        self.head = nn.Conv2d(widths[0], len(Segment), 3, padding=1)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 19 H W"]:
        """Logits of images in [-1, 1], whose sides are multiples of 16."""
        return self.with_context(images)[0]

    def with_context(
        self, images: Float[Tensor, "B 3 H W"]
    ) -> tuple[Float[Tensor, "B 19 H W"], Float[Tensor, "B D h w"]]:
        """The logits, and the deepest features, which see the whole image."""
        *passed, x = self.features(images)
        x = self.context(x)
        context = x = x + self.glance(x.mean((2, 3), keepdim=True))
        for up, skip in zip(self.up, reversed(passed), strict=True):
            x = up(x, skip)
        return F.interpolate(self.head(x), images.shape[-2:], mode="bilinear"), context

    def features(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """The encoder's features at 1/2, 1/4 … of the size, also used for the perceptual distance
        (`perception.features`)."""
        taps = [self.stem(images.contiguous(memory_format=torch.channels_last))]
        for down in self.down:
            taps.append(down(taps[-1]))
        return taps

    @torch.no_grad()
    def segment(self, images: Float[Tensor, "B 3 R R"]) -> UInt8[Tensor, "B R R"]:
        """The most likely `Segment` of each pixel of square EG3D crops in [-1, 1] of any size."""
        side, size = images.shape[-1], (self.config.size, self.config.size)
        if side != self.config.size:
            images = F.interpolate(images, size, mode="bilinear", antialias=side > size[0])
        logits = self(images).float()
        if side != self.config.size:
            logits = F.interpolate(logits, (side, side), mode="bilinear")
        return logits.argmax(1).to(torch.uint8)


class Convolution(nn.Sequential):
    """3×3 convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class Block(nn.Module):
    """Residual block of two convolutions."""

    def __init__(self, width: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.first = Convolution(width, width, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return F.relu(x + self.norm(self.second(self.first(x))))


class Rise(nn.Module):
    """Double the size and add the encoder's features (skip connection)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.mix = Convolution(outputs, outputs)

    def forward(
        self, x: Float[Tensor, "B I h w"], skip: Float[Tensor, "B O H W"]
    ) -> Float[Tensor, "B O H W"]:
        raised = F.interpolate(self.narrow(x), skip.shape[-2:], mode="bilinear")
        return self.mix(raised + skip)
