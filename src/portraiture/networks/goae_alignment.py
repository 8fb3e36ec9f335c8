"""GOAE's adaptive feature alignment: adds to a feature map what w+ misses of a photo (Yuan et al.,
ICCV 2023, section 4.2, Eq. 7). With the default config it computes what the published program
computes.

rendered - photo ─residual units─▶ norm ─▶ K, V ─┐
F (of the generator at 32²) ─────▶ norm ─▶ Q ────┴─two cross-attentions─▶ γ, β;   F* = γ ⊙ F + β

Module names are those of the published checkpoint. Letters: B photos, C channels, S side of F, I
channels and R side of the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.goae_encoder import CrossAttention, normed
from portraiture.networks.ir_se import Unit
from portraiture.networks.layers import LRELU_SLOPE, SQRT2

CARRIED = 21
"""Channels: on each of three planes the difference, the photo, and the photo's visibility mask."""
UNITS = 3
"""Residual units per width."""


@dataclass(frozen=True)
class AlignmentConfig:
    """Defaults are those of the published module.

    features: channels of F. size: its side. feature_ratio: side of the input's features relative to
    F's, which determines the input's side (512 for 32 as published). widths: of the residual units;
    each width halves the size. equalised: whether the output layers are StyleGAN2's: weights scaled
    by 1/√(9·inputs), LeakyReLU times √2. norm_tokens: whether F's and the input's tokens are
    normalised before attention. norm_twice, dropout: of `CrossAttention`. mixing: "attention" is
    the paper's; "convolution" computes γ and β by convolutions of F and the residual's features,
    which is its ablation (table 3) and needs a ratio of 1. gated: [ours] γ - 1 and β each pass a
    1×1 convolution initialised to 0, so that F* starts as F; the published module has none.
    carried: [ours] the input is not an image but is splatted to the planes (`CARRIED` channels,
    twice F's side), aligned with F, including photo content outside the head's silhouette: a
    convolution then finds each texel's difference, for which attention would have to search. The
    first and the last of `widths` then do not halve the size, and feature_ratio is ignored.
    generator: fingerprint of the weights it was trained for, if known.

    Raises ValueError for mixing by convolution with a feature_ratio other than 1.
    """

    features: int = 512
    size: int = 32
    feature_ratio: int = 2
    widths: tuple[int, int, int] = (64, 128, 256)
    equalised: bool = True
    norm_tokens: bool = True
    norm_twice: bool = False
    dropout: float = 0.1
    mixing: Literal["attention", "convolution"] = "attention"
    gated: bool = False
    carried: bool = False
    generator: str = ""

    def __post_init__(self) -> None:
        if self.mixing == "convolution" and not self.carried and self.feature_ratio != 1:
            raise ValueError("mixing by convolution needs a feature_ratio of 1")

    @property
    def image_size(self) -> int:
        """Side R of the input."""
        if self.carried:
            return 2 * self.size
        return self.feature_ratio * self.size << len(self.widths)

    @property
    def inputs(self) -> int:
        """Channels I of the input."""
        return CARRIED if self.carried else 3


class FeatureAlignment(nn.Module):
    """Aligns the difference of a photo and its reconstruction with the latter's features."""

    model_name: ClassVar = "goae-afa"

    def __init__(self, config: AlignmentConfig) -> None:
        super().__init__()
        self.config = config
        first, features = config.widths[0], config.features
        self.input_layer = nn.Sequential(
            nn.Conv2d(config.inputs, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first),
            nn.PReLU(first),
        )  # fmt: skip
        units, before = [], first
        for k, width in enumerate(config.widths):
            stride = (1, 2, 1)[k] if config.carried else 2
            units.append(Unit(before, width, stride=stride))
            units += [Unit(width, width) for _ in range(UNITS - 1)]
            before = width
        self.body = nn.Sequential(*units)
        if config.equalised:
            self.output_layer = nn.Sequential(
                EqualisedConv(before, features), EqualisedActivation(),
                EqualisedConv(features, features),
            )  # fmt: skip
        else:
            self.output_layer = _convolutions(before, features)
        if config.mixing == "attention":
            how = {"norm_twice": config.norm_twice, "dropout": config.dropout}
            self.cross_att_gamma = CrossAttention(features, **how)
            self.cross_att_beta = CrossAttention(features, **how)
        else:
            self.conv_gamma = _convolutions(2 * features, features)
            self.conv_beta = _convolutions(2 * features, features)
        if config.gated:
            self.gate_gamma = _nothing(features)
            self.gate_beta = _nothing(features)

    def forward(
        self, residual: Float[Tensor, "B I R R"], features: Float[Tensor, "B C S S"]
    ) -> Float[Tensor, "B C S S"]:
        """F* of F (Eq. 7). residual: render minus photo, about in [-2, 2], of side
        `config.image_size`, or splatted as `config.carried` describes.

        Raises ValueError for other sizes.
        """
        config = self.config
        sides = (*residual.shape[1::2], *features.shape[1::2])
        if sides != (config.inputs, config.image_size, config.features, config.size):
            raise ValueError(f"residual and features of channels and sides {sides} do not fit")
        seen = self.output_layer(self.body(self.input_layer(residual)))
        gamma, beta = self._film(seen, features)
        if config.gated:
            return features * (1.0 + self.gate_gamma(gamma)) + self.gate_beta(beta)
        return gamma * features + beta

    def _film(self, seen: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """γ and β of Eq. 7, of F's shape."""
        if self.config.mixing == "convolution":
            both = torch.cat([seen, features], 1)
            return self.conv_gamma(both), self.conv_beta(both)
        tokens, asked = seen.flatten(2).mT, features.flatten(2).mT
        if self.config.norm_tokens:
            tokens, asked = normed(tokens), normed(asked)
        shape = features.shape
        gamma = self.cross_att_gamma(asked, tokens).mT.reshape(shape)
        return gamma, self.cross_att_beta(asked, tokens).mT.reshape(shape)


def _nothing(features: int) -> nn.Conv2d:
    """A 1×1 convolution initialised to 0."""
    layer = nn.Conv2d(features, features, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
    return layer


def _convolutions(inputs: int, features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, features, 3, 1, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(features, features, 3, 1, 1),
    )


class EqualisedConv(nn.Conv2d):
    """A 3×3 convolution with equalised learning rate: weights of unit variance, scaled at run time
    by 1/√fan_in (Karras et al. 2018, section 4.1)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)  # pyright: ignore[reportArgumentType]
        self.gain = (9 * inputs) ** -0.5

    def forward(self, input: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H W"]:
        return F.conv2d(input, self.weight * self.gain, self.bias, padding=1)


class EqualisedActivation(nn.Module):
    """LeakyReLU(0.2) times √2, which preserves the variance."""

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, LRELU_SLOPE) * SQRT2
