"""A small image editor by denoising, conditioned on an image and a sentence's vector [ours]: what
InstructPix2Pix (Brooks et al. 2023) is to a latent, in patches of pixels.

noisy image, image ─patches─▶ U-Net ◀─ timestep, sentence ─▶ v of the noisy image
Letters: B images, S their side, D length of a sentence's vector, C channels, n side of a level.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

GROUPS = 8
SLOWEST = 10_000.0
"""Longest period of the timestep's sinusoids, over 2π."""


@dataclass(frozen=True)
class InstructionUNetConfig:
    """image_size: S. patch: side of a patch, whose pixels are channels. widths: channels at S/patch
    and each half of it. blocks: residual units a level. attention: from which level on. sentence:
    D. embedding: width of the conditioning. heads: of attention. timesteps: of the schedule."""

    image_size: int = 128
    patch: int = 4
    widths: tuple[int, ...] = (96, 128, 152)
    blocks: int = 2
    attention: int = 1
    sentence: int = 384
    embedding: int = 256
    heads: int = 4
    timesteps: int = 1000

    def __post_init__(self) -> None:
        """Raises ValueError when the sizes do not fit together."""
        if self.image_size % (self.patch << (len(self.widths) - 1)):
            raise ValueError("the image's side must be divisible down to the coarsest level")
        if any(width % GROUPS or width % self.heads for width in self.widths):
            raise ValueError("widths must be divisible by the groups and the heads")


class InstructionUNet(nn.Module):
    """Predicts v (Salimans and Ho 2022) of a noisy image. A zero sentence stands for none, a zero
    image for no image, as in classifier-free guidance."""

    model_name: ClassVar = "instruction-unet"

    def __init__(self, config: InstructionUNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, cond = config.widths, config.embedding
        pixels = 3 * config.patch**2
        self.time = nn.Sequential(nn.Linear(cond, cond), nn.SiLU(), nn.Linear(cond, cond))
        self.sentence = nn.Sequential(
            nn.Linear(config.sentence + 1, cond), nn.SiLU(), nn.Linear(cond, cond)
        )
        self.first = nn.Conv2d(2 * pixels, widths[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        before = widths[0]
        for level, width in enumerate(widths):
            attends = level >= config.attention
            units = [
                Unit(before if k == 0 else width, width, cond, config.heads * attends)
                for k in range(config.blocks)
            ]
            self.down.append(nn.ModuleList(units))
            if level + 1 < len(widths):
                self.shrink.append(nn.Conv2d(width, width, 3, 2, 1))
            before = width
        self.middle = Unit(before, before, cond, config.heads)
        for level in reversed(range(len(widths))):
            width, attends = widths[level], level >= config.attention
            units = [
                Unit((before if k == 0 else width) + width, width, cond, config.heads * attends)
                for k in range(config.blocks)
            ]
            self.up.append(nn.ModuleList(units))
            if level:
                self.grow.append(nn.Conv2d(width, width, 3, padding=1))
            before = width
        self.norm = nn.GroupNorm(GROUPS, before)
        self.last = nn.Conv2d(before, pixels, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(
        self,
        noisy: Float[Tensor, "B 3 S S"],
        timesteps: Float[Tensor, "B"],
        image: Float[Tensor, "B 3 S S"],
        sentence: Float[Tensor, "B D"],
    ) -> Float[Tensor, "B 3 S S"]:
        """v of the noisy images. timesteps: 0 … timesteps - 1."""
        patch = self.config.patch
        x = F.pixel_unshuffle(torch.cat([noisy, image], 1), patch)
        cond = self.conditioning(timesteps, sentence)
        x = self.first(x)
        kept: list[Tensor] = []
        for level, units in enumerate(self.down):
            for unit in units:  # type: ignore[attr-defined]
                x = unit(x, cond)
                kept.append(x)
            if level < len(self.shrink):
                x = self.shrink[level](x)
        x = self.middle(x, cond)
        for level, units in enumerate(self.up):
            for unit in units:  # type: ignore[attr-defined]
                x = unit(torch.cat([x, kept.pop()], 1), cond)
            if level < len(self.grow):
                x = self.grow[level](F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return F.pixel_shuffle(self.last(F.silu(self.norm(x))), patch)

    def conditioning(
        self, timesteps: Float[Tensor, "B"], sentence: Float[Tensor, "B D"]
    ) -> Float[Tensor, "B E"]:
        """What every unit is scaled and shifted by."""
        given = (sentence != 0).any(1, keepdim=True).to(sentence.dtype)
        told = self.sentence(torch.cat([sentence * sentence.shape[1] ** 0.5, given], 1))
        return self.time(sinusoids(timesteps, self.config.embedding)) + told


def sinusoids(timesteps: Float[Tensor, "B"], width: int) -> Float[Tensor, "B E"]:
    """Cosines and sines of timesteps, as of positions in Vaswani et al. 2017."""
    half = width // 2
    steps = torch.arange(half, device=timesteps.device, dtype=timesteps.dtype)
    angles = timesteps[:, None] * torch.exp(-log(SLOWEST) * steps / half)
    return torch.cat([angles.cos(), angles.sin()], 1)


class Unit(nn.Module):
    """A residual unit whose features are scaled and shifted by the conditioning, with attention
    between all positions where there are heads."""

    def __init__(self, inputs: int, outputs: int, cond: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulate = nn.Linear(cond, 2 * outputs)
        self.norm2 = nn.GroupNorm(GROUPS, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.attention = SelfAttention(outputs, heads) if heads else nn.Identity()
        nn.init.zeros_(self.conv2.weight)

    def forward(
        self, x: Float[Tensor, "B I n n"], cond: Float[Tensor, "B E"]
    ) -> Float[Tensor, "B O n n"]:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.modulate(F.silu(cond))[..., None, None].chunk(2, 1)
        h = self.conv2(F.silu(self.norm2(h) * (1.0 + scale) + shift))
        return self.attention(self.skip(x) + h)


class SelfAttention(nn.Module):
    """Attention between all positions, added."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(GROUPS, width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Float[Tensor, "B C n n"]) -> Float[Tensor, "B C n n"]:
        side = x.shape[-1]
        q, k, v = (
            part.unflatten(1, (self.heads, -1)).flatten(3).mT.contiguous()
            for part in self.qkv(self.norm(x)).chunk(3, 1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v).mT.flatten(1, 2)
        return x + self.out(mixed.unflatten(2, (side, side)))
