"""LPIPS (Zhang et al. 2018), for weights supplied by the user.

Features of AlexNet or VGG-16 trained on ImageNet are normalised per pixel; squared differences are
weighted per channel, with weights learned from human judgements. Two files: the network's
(torchvision's names `features.0.weight` …) and the channel weights (`lin0.model.1.weight` …).
Letters: B images, H×W pixels.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Kind = Literal["alex", "vgg"]

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""ImageNet's colour statistics on [-1, 1]."""

VGG_WIDTHS: tuple[tuple[int, ...], ...] = (
    (64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512),
)  # fmt: skip
ALEX_TAPS, VGG_TAPS = (1, 4, 7, 9, 11), (3, 8, 15, 22, 29)
"""Layers of `features` whose output is compared."""

CHANNELS: dict[Kind, tuple[int, ...]] = {
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 128, 256, 512, 512),
}


class Lpips(nn.Module):
    """The LPIPS distance."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.features = _alexnet() if kind == "alex" else _vgg16()
        self.taps = ALEX_TAPS if kind == "alex" else VGG_TAPS
        for k, channels in enumerate(CHANNELS[kind]):
            comparison = nn.Sequential(nn.Dropout(), nn.Conv2d(channels, 1, 1, bias=False))
            setattr(self, f"lin{k}", nn.ModuleDict({"model": comparison}))

    def forward(
        self, a: Float[Tensor, "B 3 H W"], b: Float[Tensor, "B 3 H W"]
    ) -> Float[Tensor, " B"]:
        """Distances of images in [-1, 1] with sides of at least 64 pixels."""
        distances = []
        for k, (x, y) in enumerate(zip(self._features(a), self._features(b), strict=True)):
            weight = self.get_parameter(f"lin{k}.model.1.weight")
            apart = F.conv2d((_unit(x) - _unit(y)).square(), weight)
            distances.append(apart.mean((1, 2, 3)))
        return torch.stack(distances).sum(0)

    def _features(self, images: Tensor) -> list[Tensor]:
        shift, scale = (images.new_tensor(v).view(1, 3, 1, 1) for v in (SHIFT, SCALE))
        x, seen = (images - shift) / scale, []
        for k, layer in enumerate(self.features):
            x = layer(x)
            if k in self.taps:
                seen.append(x)
        return seen


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)


def _alexnet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(),
    )  # fmt: skip


def _vgg16() -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 3
    for stage, widths in enumerate(VGG_WIDTHS):
        layers += [nn.MaxPool2d(2, 2)] if stage else []
        for width in widths:
            layers += [nn.Conv2d(before, width, 3, 1, 1), nn.ReLU()]
            before = width
    return nn.Sequential(*layers)
