"""Superresolution of one w, for gradients with respect to its features alone.

Styles, demodulation and gains are folded into the weights once. The clamp, which keeps half
precision from overflow, is left out: activations beyond it are not cut off. Many steps with the
same w share it (`invert.distil`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.networks.layers import LRELU_SLOPE, fir, upsample2
from portraiture.networks.stylegan2 import SynthesisBlock
from portraiture.networks.superres import Superresolution
from portraiture.networks.superres_fast import fast_dtype, modulated


@dataclass(frozen=True)
class FrozenBlock:
    """A block's weights with everything folded in. conv0: of the transposed convolution if `up`."""

    up: bool
    conv0: Float[Tensor, "O C 3 3"]
    bias0: Float[Tensor, "O"]
    conv1: Float[Tensor, "O O 3 3"]
    bias1: Float[Tensor, "O"]
    to_rgb: Float[Tensor, "3 O 1 1"]
    rgb_bias: Float[Tensor, "3"]
    kernel: Float[Tensor, "4 4"]

    def __call__(self, x: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Features and colours, as of `SynthesisBlock` without noise."""
        if self.up:
            grown = F.conv_transpose2d(x, self.conv0, stride=2)
            y = fir(grown, self.kernel, gain=4.0, padding=1) + self.bias0[:, None, None]
            image = upsample2(image, self.kernel)
        else:
            y = F.conv2d(x, self.conv0, self.bias0, padding=1)
        y = F.leaky_relu(y, LRELU_SLOPE)
        y = F.leaky_relu(F.conv2d(y, self.conv1, self.bias1, padding=1), LRELU_SLOPE)
        return y, image + F.conv2d(y, self.to_rgb).float() + self.rgb_bias[:, None, None]


@dataclass(frozen=True)
class FrozenSuperresolution:
    """Features (1, C, n, n) of any n → image, as `Superresolution` with resize=False."""

    blocks: tuple[FrozenBlock, FrozenBlock]

    def __call__(self, features: Float[Tensor, "1 C n n"]) -> Float[Tensor, "1 3 R R"]:
        x, image = features.to(self.blocks[0].conv0.dtype), features[:, :3]
        for block in self.blocks:
            x, image = block(x, image)
        return image


@torch.no_grad()
def frozen(
    head: Superresolution, ws: Float[Tensor, "1 N D"], *, dtype: torch.dtype | None = None
) -> FrozenSuperresolution:
    """Fold the styles of ws into the head's weights. dtype: of convolutions, by default bfloat16 on
    a CPU that computes in it and else float32; colours are added in float32."""
    kind = dtype or (fast_dtype() if ws.device.type == "cpu" else None) or torch.float32
    first, second = head.styles(ws)
    return FrozenSuperresolution(
        (_frozen(head.block0, first, kind), _frozen(head.block1, second, kind))
    )


def _frozen(block: SynthesisBlock, styles: list[Tensor], kind: torch.dtype) -> FrozenBlock:
    weight0, bias0 = modulated(block.conv0, styles[0])
    weight1, bias1 = modulated(block.conv1, styles[1])
    rgb = block.torgb.weight * (styles[2] * block.torgb.style_gain)[0][None, :, None, None]
    up = block.conv0.up

    def ready(weight: Tensor) -> Tensor:
        return weight.to(kind).contiguous(memory_format=torch.channels_last)

    return FrozenBlock(
        up, ready(weight0.transpose(0, 1) if up else weight0), bias0.to(kind), ready(weight1),
        bias1.to(kind), ready(rgb), block.torgb.bias, block.resample_filter,
    )  # fmt: skip
