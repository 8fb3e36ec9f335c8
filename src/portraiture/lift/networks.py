"""LiftedGAN's five networks: from w of a 2D StyleGAN2 to depth, transformation, light and view.

w ─D_L─▶ light   ─D_V─▶ view   ─D_S, features of the generator─▶ depth   ─D_T─▶ transformation
w, light, view ─M─▶ w', of the same person seen in that light from that view
Shi, Aggarwal and Jain, "Lifting 2D StyleGAN for 3D-aware face generation", CVPR 2021, section 3 and
tables 3 and 4; where the published program differs from the paper, the program is followed.
Letters: B people, D w dimension, C channels, R side of the generator's image.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

LIGHT, VIEW = 4, 6
"""Numbers of a light code (ambient, diffuse, x, y of the direction) and of a view code (pitch, yaw,
roll, x, y, z), all in (-1, 1)."""

FIRST_SIDE = 4
NORM_CHANNELS = 4
"""Channels of a group of `nn.GroupNorm`."""


@dataclass(frozen=True)
class LiftConfig:
    """size: R, a power of two from 16. features: channels of the generator's last layer, before its
    colours. width: C of D_S and D_T at 4², halved at every doubling. hidden: of the MLPs.
    generator: fingerprint of the one that is lifted, "" where it is unknown."""

    size: int = 256
    w_dim: int = 512
    features: int = 16
    width: int = 512
    hidden: int = 512
    generator: str = ""

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at 4², 8² … (R/2)²."""
        doublings = (self.size // 2 // FIRST_SIDE).bit_length() - 1
        return tuple(max(self.width >> k, NORM_CHANNELS) for k in range(doublings + 1))


class ScaleShift(nn.Module):
    """A learned factor and offset of every channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels))
        self.bias = nn.Parameter(torch.zeros(1, channels))

    def forward(self, x: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        return x * self.weight + self.bias


class Mlp(nn.Module):
    """Four linear layers with leaky ReLUs between them. norm: normalise groups of channels."""

    def __init__(
        self, inputs: int, hidden: int, outputs: int, *, norm: bool, end: nn.Module | None
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for k in range(3):
            layers.append(nn.Linear(inputs if k == 0 else hidden, hidden))
            layers += [group_norm(hidden)] if norm else []
            layers.append(nn.LeakyReLU(0.2))
        layers.append(nn.Linear(hidden, outputs))
        layers += [] if end is None else [end]
        self.mlp = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "B I"]) -> Float[Tensor, "B O"]:
        return self.mlp(x)


def group_norm(channels: int) -> nn.GroupNorm:
    """Normalisation of groups of `NORM_CHANNELS`."""
    return nn.GroupNorm(channels // NORM_CHANNELS, channels)


class Manipulation(nn.Module):
    """M: w of the same person in another light and view (section 3.2), not as a residual."""

    def __init__(self, config: LiftConfig) -> None:
        super().__init__()
        wide, hidden = config.w_dim, config.hidden
        self.embed_style = Mlp(wide, hidden, wide, norm=True, end=ScaleShift(wide))
        self.embed_light = Mlp(LIGHT, hidden, wide, norm=True, end=ScaleShift(wide))
        self.embed_view = Mlp(VIEW, hidden, wide, norm=True, end=ScaleShift(wide))
        self.model = Mlp(wide, hidden, wide, norm=True, end=None)

    def forward(
        self,
        w: Float[Tensor, "B D"],
        light: Float[Tensor, "B 4"],
        view: Float[Tensor, "B 6"],
    ) -> Float[Tensor, "B D"]:
        embedded = self.embed_style(w) + self.embed_light(light) + self.embed_view(view)
        return self.model(embedded)


class DepthNetwork(nn.Module):
    """D_S: raw depth map of w0 and of the generator's last features (table 3)."""

    def __init__(self, config: LiftConfig) -> None:
        super().__init__()
        wide, widths = config.w_dim, config.widths
        linear = [layer for _ in range(4) for layer in (nn.Linear(wide, wide), nn.LeakyReLU(0.2))]
        self.mlp = nn.Sequential(*linear)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(wide, widths[0], FIRST_SIDE, bias=False), nn.ReLU(),
            nn.Conv2d(widths[0], widths[0], 3, padding=1, bias=False), nn.ReLU(),
        ]  # fmt: skip
        for before, after in pairwise(widths):
            layers += [*_doubled(before, after), *_convolved(after, after, 3)]
        self.network = nn.Sequential(*layers)
        last = widths[-1]
        self.inject = nn.Conv2d(config.features, last, 1, bias=False)
        self.head = nn.Sequential(
            *_convolved(last, last, 3), *_convolved(last, last, 5), nn.Conv2d(last, 1, 5, padding=2)
        )

    def forward(
        self, w: Float[Tensor, "B D"], features: Float[Tensor, "B C R R"]
    ) -> Float[Tensor, "B 1 R R"]:
        coarse = self.network(self.mlp(w)[:, :, None, None])
        return self.head(F.interpolate(coarse, scale_factor=2.0) + self.inject(features))


class TransformationNetwork(nn.Module):
    """D_T: raw map of how far each vertex follows the view (table 4)."""

    BOTTLENECK: ClassVar = 16

    def __init__(self, config: LiftConfig) -> None:
        super().__init__()
        narrow, widths = self.BOTTLENECK, config.widths
        sizes = [config.w_dim, *[narrow] * 4]
        linear = [
            layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.LeakyReLU(0.2))
        ]
        self.mlp = nn.Sequential(*linear)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(narrow, widths[0], FIRST_SIDE, bias=False), nn.ReLU()
        ]  # fmt: skip
        for before, after in pairwise(widths):
            layers += _doubled(before, after)
        last = widths[-1]
        layers += [nn.Upsample(scale_factor=2.0), *_convolved(last, last, 3)]
        self.network = nn.Sequential(*layers, nn.Conv2d(last, 1, 5, padding=2, bias=False))

    def forward(self, w: Float[Tensor, "B D"]) -> Float[Tensor, "B 1 R R"]:
        return self.network(self.mlp(w)[:, :, None, None])


def _doubled(before: int, after: int) -> list[nn.Module]:
    up = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
    return [up, group_norm(after), nn.ReLU()]


def _convolved(before: int, after: int, size: int) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, size, padding=size // 2, bias=False)
    return [convolution, group_norm(after), nn.ReLU()]


class LiftedNetworks(nn.Module):
    """D_L, D_V, D_S, D_T and M."""

    model_name: ClassVar = "liftedgan"

    def __init__(self, config: LiftConfig) -> None:
        super().__init__()
        wide, hidden = config.w_dim, config.hidden
        self.config = config
        self.light = Mlp(wide, hidden, LIGHT, norm=False, end=nn.Tanh())
        self.view = Mlp(wide, hidden, VIEW, norm=False, end=nn.Tanh())
        self.depth = DepthNetwork(config)
        self.transformation = TransformationNetwork(config)
        self.manipulation = Manipulation(config)
