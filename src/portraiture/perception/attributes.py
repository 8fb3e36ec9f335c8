"""A network that predicts attributes (`people.attributes`) from an image.

EG3D crop ─small─▶ stem ─▶ four stages of two residual blocks ─mean─▶ a number per attribute
Letters: B images, A attributes, R side of a crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.perception.identity import Residual


@dataclass(frozen=True)
class AttributesConfig:
    """names: of the attributes. means, deviations: mean and standard deviation of each score.
    width: channels of the first stage, doubled by each later one. size: side of the images,
    pixels."""

    names: tuple[str, ...] = ()
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    width: int = 24
    size: int = 96


class AttributeNetwork(nn.Module):
    """Images to attribute scores."""

    model_name: ClassVar = "attributes"

    def __init__(self, config: AttributesConfig) -> None:
        super().__init__()
        self.config = config
        count = len(config.names)
        if not count or {len(config.means), len(config.deviations)} != {count}:
            raise ValueError("an attribute has a name, a mean and a standard deviation")
        blocks, before = [], config.width
        for stage in range(4):
            width = config.width << stage
            blocks += [Residual(before, width, stride=1 if stage == 0 else 2)]
            blocks += [Residual(width, width)]
            before = width
        self.stem = nn.Sequential(
            nn.Conv2d(3, config.width, 5, 2, 2, bias=False), nn.BatchNorm2d(config.width)
        )
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(before, count)

    def standardised(self, images: Float[Tensor, "B 3 R R"]) -> Float[Tensor, "B A"]:
        """Standardised scores of images in [-1, 1]."""
        size = self.config.size
        if images.shape[-1] != size:
            images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
        x = F.relu(self.stem(images.contiguous(memory_format=torch.channels_last)))
        x = self.blocks(F.max_pool2d(x, 3, 2, 1))
        return self.last(x.float().mean((2, 3)))

    def forward(self, images: Float[Tensor, "B 3 R R"]) -> Float[Tensor, "B A"]:
        """Scores of images in [-1, 1], on `people.attributes.SCORES`' scale."""
        return self.standardised(images) * self._row("deviations") + self._row("means")

    def _row(self, name: str) -> Tensor:
        return torch.tensor(getattr(self.config, name), device=self.last.weight.device)
