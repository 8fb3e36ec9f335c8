"""AgileAvatar's networks (Sang et al. 2022, section 3.3 and supplement 2): imitator and mapper; and
the supervised regressor that they are compared with.

vector ─an MLP a row─▶ w+ ─StyleGAN2─▶ image            imitator: the engine, differentiable
w+ of a photo ─an MLP a row─▶ joined ─two heads─▶ vector  mapper
photo ─residual network─▶ features ─two heads─▶ vector     regressor [Wang et al. 2023, SwiftAvatar]
Letters: B avatars, D length of a vector, C numbers, K probabilities, N rows of w+, W w dimension.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.engine.parameters import vector_length
from portraiture.networks.faces2d import FacesConfig
from portraiture.networks.stylegan2 import Synthesis
from portraiture.parametrize.vector import (
    CHOICE_SIZE,
    NUMBERS,
    joined,
    relaxed_choices,
)
from portraiture.perception.identity import Residual
from portraiture.types import Style

SMALLEST = 1e-3
"""Least standard deviation by which a number is divided."""
SELDOM = 0.1
"""Least one by which the probability of a choice is."""


@dataclass(frozen=True)
class ImitatorConfig:
    """faces: of the StyleGAN2, whose mapping is left out. hidden: of the rows' MLPs. inputs: D; the
    engine's vector, so that weights for another engine are refused. style: of the renders that it
    imitates."""

    faces: FacesConfig = field(default_factory=FacesConfig)
    hidden: int = 160
    inputs: int = field(default_factory=vector_length)
    style: Style = "natural"


class Imitator(nn.Module):
    """Vectors to images of the engine, for strict vectors; for relaxed ones what lies between."""

    model_name: ClassVar = "imitator"
    center: Tensor
    spread: Tensor
    w_avg: Tensor

    def __init__(self, config: ImitatorConfig) -> None:
        super().__init__()
        self.config = config
        faces = config.faces
        self.synthesis = Synthesis(
            faces.w_dim, faces.size, 3, channel_base=faces.channel_base,
            channel_max=faces.channel_max, clamp=faces.clamp,
        )  # fmt: skip
        self.rows = nn.ModuleList(
            _row_mlp(config.inputs, config.hidden, faces.w_dim)
            for _ in range(self.synthesis.num_ws)
        )
        self.register_buffer("center", torch.zeros(config.inputs))
        self.register_buffer("spread", torch.ones(config.inputs))
        self.register_buffer("w_avg", torch.zeros(faces.w_dim))

    def ws(self, vector: Float[Tensor, "B D"]) -> Float[Tensor, "B N W"]:
        """w+ of vectors."""
        x = (vector - self.center) / self.spread
        return torch.stack([self.w_avg + row(x) for row in self.rows], 1)

    def forward(self, vector: Float[Tensor, "B D"]) -> Float[Tensor, "B 3 R R"]:
        """Images of vectors, about in [-1, 1]."""
        return self.synthesis(self.ws(vector))


class VectorHeads(nn.Module):
    """Features to a relaxed vector: one head for the numbers, one for the logits of the choices."""

    center: Tensor
    spread: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.numbers = nn.Linear(features, len(NUMBERS))
        self.choices = nn.Linear(features, CHOICE_SIZE)
        self.register_buffer("center", torch.full((len(NUMBERS),), 0.5))
        self.register_buffer("spread", torch.full((len(NUMBERS),), 0.2))
        for head in (self.numbers, self.choices):
            nn.init.normal_(head.weight, std=0.1 * features**-0.5)
            nn.init.zeros_(head.bias)

    def forward(
        self, features: Float[Tensor, "B F"]
    ) -> tuple[Float[Tensor, "B C"], Float[Tensor, "B K"]]:
        """Numbers, about in [0, 1], and logits."""
        return self.center + self.spread * self.numbers(features), self.choices(features)


def relaxed_vector(
    found: tuple[Float[Tensor, "B C"], Float[Tensor, "B K"]], beta: float
) -> Float[Tensor, "B D"]:
    """The relaxed vector of numbers and logits; β as in `relaxed_choices`."""
    numbers, logits = found
    return joined(numbers.clamp(0.0, 1.0), relaxed_choices(logits, beta))


@dataclass(frozen=True)
class MapperConfig:
    """rows: N. w_dim: W. row: size of each row's features. hidden: of both heads' input. bridge:
    fingerprint of the networks that it was trained between (`cascade.Bridge`), "" if unknown.
    without: what its training left out (`types.BridgePart`)."""

    rows: int = 12
    w_dim: int = 512
    row: int = 48
    hidden: int = 256
    bridge: str = ""
    without: tuple[str, ...] = ()


class Mapper(nn.Module):
    """w+ to numbers and logits. beta: β of its last training step, with which they are relaxed."""

    model_name: ClassVar = "mapper"
    w_avg: Tensor
    beta: Tensor

    def __init__(self, config: MapperConfig) -> None:
        super().__init__()
        self.config = config
        self.rows = nn.ModuleList(
            nn.Sequential(
                nn.Linear(config.w_dim, config.row), nn.LeakyReLU(0.2),
                nn.Linear(config.row, config.row), nn.LeakyReLU(0.2),
            )
            for _ in range(config.rows)
        )  # fmt: skip
        self.joint = nn.Sequential(
            nn.Linear(config.rows * config.row, config.hidden), nn.LeakyReLU(0.2)
        )
        self.heads = VectorHeads(config.hidden)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))
        self.register_buffer("beta", torch.ones(()))

    def forward(
        self, ws: Float[Tensor, "B N W"]
    ) -> tuple[Float[Tensor, "B C"], Float[Tensor, "B K"]]:
        """Numbers and logits of w+."""
        rows = (ws - self.w_avg).unbind(1)
        features = [row(w) for row, w in zip(self.rows, rows, strict=True)]
        return self.heads(self.joint(torch.cat(features, 1)))


@dataclass(frozen=True)
class RegressorConfig:
    """width: channels of the stem and of the first of four stages, doubled by each later one. size:
    side of the photos, pixels. hidden: of both heads' input."""

    width: int = 24
    size: int = 128
    hidden: int = 256


class Regressor(nn.Module):
    """Photos over white to numbers and logits."""

    model_name: ClassVar = "regressor"

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width, *(config.width << k for k in range(3)), config.width << 3]
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 5, 2, 2, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        blocks, before = [], widths[0]
        for width in widths[1:]:
            blocks += [Residual(before, width, stride=2), Residual(width, width, stride=1)]
            before = width
        self.blocks = nn.Sequential(*blocks)
        side = -(-config.size // 32)
        self.joint = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(before * side * side, config.hidden), nn.LeakyReLU(0.2)
        )
        self.heads = VectorHeads(config.hidden)

    def forward(
        self, photos: Float[Tensor, "B 3 S S"]
    ) -> tuple[Float[Tensor, "B C"], Float[Tensor, "B K"]]:
        """Numbers and logits of photos in [-1, 1]."""
        x = self.stem(photos.contiguous(memory_format=torch.channels_last))
        return self.heads(self.joint(F.relu(self.blocks(x)).flatten(1)))


def _row_mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """A row's MLP, whose last layer is small at first: images start at the mean person's."""
    last = nn.Linear(hidden, outputs)
    nn.init.normal_(last.weight, std=0.3 * hidden**-0.5)
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, hidden), nn.LeakyReLU(0.2),
        last,
    )  # fmt: skip
