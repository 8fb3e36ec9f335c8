"""FF3D's image-to-triplane network (Ma et al. 2023, section 3.2), which takes the place of EG3D's
backbone: a photo in, its planes out.

photo ─style encoder─▶ w_s, a code at every position ─γ, β of every layer─┐
learned constant ─convolution, spatial modulation (Eq. 3)─ … doubled ─ … ─┴▶ planes less those of
w_avg, which are added [ours]; mean token ─▶ w for superresolution and edits [ours]
The paper tells Eq. 3, w_s ∈ R^{512×32×32}, and that all else of EG3D stays frozen; the encoder, the
widths and the attention between all parts of the photo are ours. Letters: B photos, S their side, K
channels and k side of w_s, C channels and P side of a plane, D w dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.ir_se import Unit

TINY = 1e-6


@dataclass(frozen=True)
class ImageToPlanesConfig:
    """image_size: S. code, code_size: K and k. widths: of the encoder at S/2, S/4, S/8 and S/16.
    tokens, heads: blocks and heads of attention at S/16. layers: channels at plane sides k, 2k, …
    up to P, two layers each. plane_size, plane_features: P and C of the generator. w_dim: D.
    spatial: whether w_s has positions; without, every position has the mean code (the ablation of
    table 2). generator: fingerprint of the weights whose backbone it replaces, if known."""

    image_size: int = 128
    code: int = 512
    code_size: int = 32
    widths: tuple[int, int, int, int] = (48, 96, 160, 256)
    tokens: int = 4
    heads: int = 8
    layers: tuple[int, ...] = (256, 160, 112)
    plane_size: int = 128
    plane_features: int = 32
    w_dim: int = 512
    spatial: bool = True
    generator: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError when the layers do not lead from k to P, or the photo is too small."""
        if self.code_size << (len(self.layers) - 1) != self.plane_size:
            raise ValueError("each of the layers doubles the side, from code_size to plane_size")
        if self.image_size % 16 or self.image_size < 2 * self.code_size:
            raise ValueError("the photo's side must be a multiple of 16, and twice that of w_s")


class ImageToPlanes(nn.Module):
    """Photos to planes, as a difference from those of the mean w, and to w. spread: unit of the
    difference, of the planes that it learns from."""

    model_name: ClassVar = "image-to-planes"
    spread: Tensor

    def __init__(self, config: ImageToPlanesConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = StyleEncoder(config)
        side = config.code_size
        self.constant = nn.Parameter(torch.randn(1, config.layers[0], side, side))
        stages, before = [], config.layers[0]
        for width in config.layers:
            stages.append(
                nn.ModuleList(
                    [
                        ModulatedLayer(before, width, config.code),
                        ModulatedLayer(width, width, config.code),
                    ]
                )
            )
            before = width
        self.stages = nn.ModuleList(stages)
        self.to_planes = nn.Conv2d(before, 3 * config.plane_features, 1)
        self.to_w = nn.Linear(config.widths[3], config.w_dim)
        self.register_buffer("spread", torch.ones(()))
        for last in (self.to_planes, self.to_w):
            nn.init.normal_(last.weight, std=0.1 * last.weight.shape[1] ** -0.5)
            assert last.bias is not None
            nn.init.zeros_(last.bias)

    def forward(
        self, photos: Float[Tensor, "B 3 S S"]
    ) -> tuple[Float[Tensor, "B 3 C P P"], Float[Tensor, "B D"]]:
        """Of photos in [-1, 1] over white: the planes less those of w_avg, and w less w_avg."""
        return self.decode(*self.encode(photos))

    def encode(
        self, photos: Float[Tensor, "B 3 S S"]
    ) -> tuple[Float[Tensor, "B K k k"], Float[Tensor, "B F"]]:
        """w_s of photos, which style mixing interpolates, and the mean token, which w is read
        from."""
        code, whole = self.encoder(photos)
        return (code if self.config.spatial else code.mean((2, 3), keepdim=True)), whole

    def decode(
        self, code: Float[Tensor, "B K k k"], whole: Float[Tensor, "B F"]
    ) -> tuple[Float[Tensor, "B 3 C P P"], Float[Tensor, "B D"]]:
        """As `forward`, of what `encode` gives."""
        x = self.constant.expand(len(code), -1, -1, -1)
        for number, stage in enumerate(self.stages):
            if number:
                x = F.interpolate(x, scale_factor=2.0, mode="bilinear")
            for layer in stage:  # type: ignore[union-attr]
                x = layer(x, code)
        planes = self.to_planes(x).unflatten(1, (3, self.config.plane_features))
        return self.spread * planes, self.to_w(whole)


class StyleEncoder(nn.Module):
    """A photo to w_s: residual units down to S/16, attention there, and up again to k."""

    def __init__(self, config: ImageToPlanesConfig) -> None:
        super().__init__()
        first, *rest = config.widths
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 5, 2, 2, bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        self.down = nn.ModuleList()
        before = first
        for width in rest:
            self.down.append(nn.Sequential(Unit(before, width, stride=2), Unit(width, width)))
            before = width
        side = config.image_size // 16
        self.places = nn.Parameter(0.02 * torch.randn(1, side * side, before))
        self.attention = nn.ModuleList(
            nn.TransformerEncoderLayer(
                before, config.heads, 2 * before, dropout=0.0, activation=F.gelu,
                batch_first=True, norm_first=True,
            )
            for _ in range(config.tokens)
        )  # fmt: skip
        self.code_size = config.code_size
        self.merge = nn.ModuleList(nn.Conv2d(width, config.code, 1) for width in config.widths)
        self.smooth = nn.Conv2d(config.code, config.code, 3, padding=1, groups=config.code)

    def forward(
        self, photos: Float[Tensor, "B 3 S S"]
    ) -> tuple[Float[Tensor, "B K k k"], Float[Tensor, "B F"]]:
        """w_s, and the mean token."""
        x = self.stem(photos)
        maps = [x]
        for stage in self.down:
            x = stage(x)
            maps.append(x)
        side = x.shape[-1]
        tokens = x.flatten(2).mT + self.places
        for block in self.attention:
            tokens = block(tokens)
        maps[-1] = tokens.mT.unflatten(2, (side, side))
        size = (self.code_size, self.code_size)
        code = torch.stack(
            [
                F.interpolate(merge(part), size, mode="bilinear", antialias=True)
                for merge, part in zip(self.merge, maps, strict=True)
            ]
        ).sum(0)
        return self.smooth(F.leaky_relu(code, 0.2)), tokens.mean(1)


class ModulatedLayer(nn.Module):
    """A convolution after spatial modulation, F ← γ(w_s)·(F - μ)/σ + β(w_s), μ and σ over channels
    at each position (Eq. 3); γ is 1 plus what w_s says."""

    def __init__(self, inputs: int, outputs: int, code: int) -> None:
        super().__init__()
        self.modulate = nn.Conv2d(code, 2 * inputs, 1)
        nn.init.normal_(self.modulate.weight, std=code**-0.5)
        assert self.modulate.bias is not None
        nn.init.zeros_(self.modulate.bias)
        self.convolve = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(
        self, x: Float[Tensor, "B I n n"], code: Float[Tensor, "B K k k"]
    ) -> Float[Tensor, "B O n n"]:
        """The layer's features. code: w_s, resized to their side."""
        found = self.modulate(code)
        if found.shape[-1] != x.shape[-1]:
            found = F.interpolate(found, x.shape[-2:], mode="bilinear")
        gamma, beta = found.chunk(2, 1)
        return F.leaky_relu(self.convolve(modulated(x, 1.0 + gamma, beta)), 0.2)


def modulated(
    x: Float[Tensor, "B C n n"], gamma: Float[Tensor, "B C n n"], beta: Float[Tensor, "B C n n"]
) -> Float[Tensor, "B C n n"]:
    """Eq. 3."""
    mean = x.mean(1, keepdim=True)
    deviation = (x - mean).square().mean(1, keepdim=True).add(TINY).sqrt()
    return gamma * (x - mean) / deviation + beta


def planes_of_photos(
    network: ImageToPlanes, photos: Float[Tensor, "B 3 S S"], generator: TriPlaneGenerator
) -> tuple[Float[Tensor, "B 3 C P P"], Float[Tensor, "B N D"]]:
    """Planes and w+ of photos in [-1, 1] over white."""
    offsets, w = network(photos)
    ws = (generator.backbone.mapping.w_avg + w)[:, None].expand(-1, generator.num_ws, -1)
    return planes_of_mean(generator) + offsets, ws


@torch.no_grad()
def planes_of_mean(generator: TriPlaneGenerator) -> Float[Tensor, "1 3 C P P"]:
    """Planes of w_avg."""
    w_avg = generator.backbone.mapping.w_avg
    return generator.planes(w_avg[None, None].expand(1, generator.num_ws, -1))


@torch.no_grad()
def spread_of_planes(generator: TriPlaneGenerator, *, samples: int = 8) -> float:
    """Mean absolute distance of a few samples' planes from those of w_avg."""
    mean, numbers = planes_of_mean(generator), torch.Generator().manual_seed(0)
    z = torch.randn(samples, generator.config.z_dim, generator=numbers).to(mean)
    apart = [
        float((generator.planes(generator.mapping(one, None)) - mean).abs().mean())
        for one in z.split(1)
    ]
    return max(sum(apart) / samples, 1e-6)
