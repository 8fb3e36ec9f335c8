"""The discriminators of StyleGAN2-ADA (Karras et al. 2020a, 2020b) and EG3D (Chan et al. 2022).

image ─b256 … b8 (residual)─▶ features ─b4 (minibatch standard deviation, conv, fc)─▶ logit
camera ─mapping─▶ cmap ─────────────────────────────────────── projected on ────────┘
Parameter names and layouts are those of the published checkpoints. Letters: B batch, C channels,
H×W size, R image size, n raw size, P condition size, M size of the mapped condition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.layers import (
    SQRT2,
    Linear,
    activate,
    downsample2,
    fir,
    fir_kernel,
    normal,
    normalize_2nd_moment,
)
from portraiture.ops.resize import resized


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Settings that the weights don't determine.

    size: side of the images. channels: 3, or 6 for pairs (see `DualDiscriminator`). c_dim: size of
    the condition, 25 for cameras, 0 for none. channel_base, channel_max: width of a block is
    min(base / side, max). group: images per minibatch standard deviation. mapping_layers: of the
    condition. condition_noise: standard deviation of noise on the condition, relative to the
    batch's (EG3D: 0 for FFHQ, 1 for ShapeNet).
    """

    size: int
    channels: int = 3
    c_dim: int = 0
    channel_base: int = 32768
    channel_max: int = 512
    group: int = 4
    mapping_layers: int = 8
    condition_noise: float = 0.0

    def width(self, side: int) -> int:
        return min(self.channel_base // side, self.channel_max)


class DiscriminatorConv(nn.Module):
    """Convolution with equalised learning rate; down: low-pass filter and stride 2."""

    resample_filter: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        *,
        bias: bool = True,
        activation: Literal["linear", "lrelu"] = "lrelu",
        down: bool = False,
        clamp: float | None = 256.0,
    ) -> None:
        super().__init__()
        self.activation, self.down, self.clamp = activation, down, clamp
        self.weight = nn.Parameter(normal(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.register_buffer("resample_filter", fir_kernel())
        self.weight_gain = 1.0 / (inputs * size * size) ** 0.5

    def forward(self, x: Float[Tensor, "B C H W"], gain: float = 1.0) -> Tensor:
        """gain: scales the output and the limit at which it is clamped."""
        w = (self.weight * self.weight_gain).to(x.dtype)
        if not self.down:
            x = F.conv2d(x, w, padding=w.shape[2] // 2)
        elif w.shape[2] == 1:
            x = F.conv2d(downsample2(x, self.resample_filter), w)
        else:
            x = F.conv2d(fir(x, self.resample_filter, gain=1.0, padding=2), w, stride=2)
        if self.activation == "lrelu":
            assert self.bias is not None
            clamp = None if self.clamp is None else self.clamp * gain
            return activate(x, self.bias, gain=SQRT2 * gain, clamp=clamp)
        return x * gain if self.bias is None else (x + self.bias.to(x.dtype)[:, None, None]) * gain


class DiscriminatorBlock(nn.Module):
    """[fromrgb], two convolutions and a shortcut; half the size."""

    def __init__(self, first_channels: int | None, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("resample_filter", fir_kernel())
        if first_channels is not None:
            self.fromrgb = DiscriminatorConv(first_channels, inputs, 1)
        self.conv0 = DiscriminatorConv(inputs, inputs, 3)
        self.conv1 = DiscriminatorConv(inputs, outputs, 3, down=True)
        self.skip = DiscriminatorConv(
            inputs, outputs, 1, bias=False, activation="linear", down=True
        )
        self.first = first_channels is not None

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K I J"]:
        if self.first:
            x = self.fromrgb(x)
        shortcut = self.skip(x, gain=0.5**0.5)
        return shortcut + self.conv1(self.conv0(x), gain=0.5**0.5)


def append_std(x: Float[Tensor, "B C H W"], *, group: int) -> Float[Tensor, "B K H W"]:
    """Append the minibatch standard deviation as a channel (Karras et al. 2018, section 3).

    Group g of B/`group` holds images g, g + B/group, g + 2·B/group … B must be a multiple of the
    group, or smaller than it (then it is one group). Raises ValueError otherwise.
    """
    b, c, h, w = x.shape
    size = min(group, b)
    if b % size:
        raise ValueError(f"a batch of {b} is not divisible into groups of {size}")
    y = x.view(size, b // size, c, h, w)
    y = y - y.mean(dim=0)
    deviation = (y.square().mean(dim=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    channel = deviation.repeat(size).view(b, 1, 1, 1).expand(b, 1, h, w)
    return torch.cat([x, channel], dim=1)


class Epilogue(nn.Module):
    """4×4 features → a logit, or their projection on the mapped condition."""

    def __init__(self, inputs: int, condition: int, *, group: int) -> None:
        super().__init__()
        self.group = group
        self.conv = DiscriminatorConv(inputs + 1, inputs, 3)
        self.fc = Linear(inputs * 16, inputs, activation="lrelu")
        self.out = Linear(inputs, condition or 1)

    def forward(
        self, x: Float[Tensor, "B C 4 4"], cmap: Float[Tensor, "B M"] | None
    ) -> Float[Tensor, "B 1"]:
        x = self.conv(append_std(x.to(self.fc.weight.dtype), group=self.group))
        x = self.out(self.fc(x.flatten(1)))
        if cmap is None:
            return x
        return (x * cmap).sum(dim=1, keepdim=True) / cmap.shape[1] ** 0.5


class ConditionMapping(nn.Module):
    """Condition → the direction on which the epilogue projects."""

    def __init__(self, c_dim: int, outputs: int, *, layers: int) -> None:
        super().__init__()
        self.layers = layers
        self.embed = Linear(c_dim, outputs)
        for k in range(layers):
            layer = Linear(outputs, outputs, activation="lrelu", lr_multiplier=0.01)
            setattr(self, f"fc{k}", layer)

    def forward(self, c: Float[Tensor, "B P"]) -> Float[Tensor, "B M"]:
        x = normalize_2nd_moment(self.embed(c.to(self.embed.weight.dtype)))
        for k in range(self.layers):
            x = getattr(self, f"fc{k}")(x)
        return x


class Discriminator(nn.Module):
    """StyleGAN2-ADA's discriminator, residual architecture."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.sides = [2**k for k in range(config.size.bit_length() - 1, 2, -1)]
        if not self.sides or config.size != self.sides[0]:
            raise ValueError(f"a discriminator's size is a power of two from 8, not {config.size}")
        for side in self.sides:
            channels = config.channels if side == config.size else None
            block = DiscriminatorBlock(channels, config.width(side), config.width(side // 2))
            setattr(self, f"b{side}", block)
        condition = config.width(4) if config.c_dim else 0
        if config.c_dim:
            self.mapping = ConditionMapping(config.c_dim, condition, layers=config.mapping_layers)
        self.b4 = Epilogue(config.width(4), condition, group=config.group)

    def forward(
        self, image: Float[Tensor, "B C R R"], c: Float[Tensor, "B P"] | None = None
    ) -> Float[Tensor, "B 1"]:
        """Images in [-1, 1] and, if the config has one, the condition → logits: high for real.

        Under autocast the blocks run in the lower precision, the rest in fp32.
        """
        x = image
        for side in self.sides:
            x = getattr(self, f"b{side}")(x)
        with torch.autocast(image.device.type, enabled=False):
            return self.b4(x, self._mapped(c))

    def _mapped(self, c: Tensor | None) -> Tensor | None:
        if not self.config.c_dim:
            return None
        if c is None:
            raise ValueError("this discriminator needs a condition")
        if self.config.condition_noise and self.training:
            c = c + torch.randn_like(c) * c.std(0) * self.config.condition_noise
        return self.mapping(c)


class DualDiscriminator(Discriminator):
    """EG3D's discriminator of pairs (Chan et al. 2022, section 4.3): the image concatenated with
    the raw render upsampled to its size (see `pair`), so that both must agree. c_dim 0 makes it
    unconditional (3DAvatarGAN)."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        if config.channels != 6:
            raise ValueError(f"pairs have 6 channels, not {config.channels}")
        super().__init__(config)
        self.register_buffer("resample_filter", fir_kernel())


def pair(
    image: Float[Tensor, "B 3 R R"], image_raw: Float[Tensor, "B 3 n n"]
) -> Float[Tensor, "B 6 R R"]:
    """The image concatenated with the upsampled raw render, as the dual discriminator sees it."""
    return torch.cat([image, resized(image_raw, image.shape[-1])], dim=1)
