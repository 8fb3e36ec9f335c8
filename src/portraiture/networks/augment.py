"""Adaptive discriminator augmentation (Karras et al. 2020b, section 3 and appendix B).

images ─blits─▶ ─geometry (one warp)─▶ ─colour (one matrix)─▶ images
Every transformation is applied to an image with probability p, all channels of an image get the
same one, and all are twice differentiable. Images that get no transformation are returned bit for
bit; p = 0 is the identity. Letters: B batch, C channels, H×W size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
    0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
    -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
"""Low-pass filter of the wavelet sym6 (Daubechies 1992): sum √2, orthonormal to even shifts."""

CENTRE = 5
LAG = sum(k * tap for k, tap in enumerate(SYM6)) / sum(SYM6) - CENTRE - 0.5
"""The filter's centre of mass is at tap CENTRE + ½ + LAG."""


@dataclass(frozen=True)
class Strengths:
    """Probabilities, as multiples of p, and strengths; the defaults are the published pipeline
    `bgc`.

    flip, turn, shift: left-right, multiples of 90°, whole pixels up to shift_max of the side.
    scale, rotate, stretch, move: 2^N(0, std²), angle uniform in ±rotate_max·180°, anisotropic
    2^N(0, std²), N(0, std²) of the side. brightness: + N(0, std²). contrast: · 2^N(0, std²). luma:
    mirrors grey values. hue: angle uniform in ±hue_max·180° about grey. saturation: · 2^N(0, std²).
    """

    flip: float = 1.0
    turn: float = 1.0
    shift: float = 1.0
    shift_max: float = 0.125
    scale: float = 1.0
    rotate: float = 1.0
    stretch: float = 1.0
    move: float = 1.0
    scale_std: float = 0.2
    rotate_max: float = 1.0
    stretch_std: float = 0.2
    move_std: float = 0.125
    brightness: float = 1.0
    contrast: float = 1.0
    luma: float = 1.0
    hue: float = 1.0
    saturation: float = 1.0
    brightness_std: float = 0.2
    contrast_std: float = 0.5
    hue_max: float = 1.0
    saturation_std: float = 1.0


NOTHING = Strengths(
    flip=0, turn=0, shift=0, scale=0, rotate=0, stretch=0, move=0,
    brightness=0, contrast=0, luma=0, hue=0, saturation=0,
)  # fmt: skip
"""No augmentation; ``replace(NOTHING, hue=1)`` enables a single one."""

BGC = Strengths()


class _Chance:
    """Random numbers for a batch, on the generator's device."""

    def __init__(self, images: Tensor, p: float, generator: torch.Generator) -> None:
        self.p, self.generator = p, generator
        self.batch, self.device = images.shape[0], images.device

    def uniform(self, low: float, high: float) -> Float[Tensor, "B"]:
        u = torch.rand(self.batch, generator=self.generator, device=self.generator.device)
        return (low + u * (high - low)).to(self.device)

    def normal(self, std: float) -> Float[Tensor, "B"]:
        n = torch.randn(self.batch, generator=self.generator, device=self.generator.device)
        return (n * std).to(self.device)

    def happens(self, weight: float, p: float | None = None) -> Bool[Tensor, "B"]:
        """True with probability weight · p (never where that is 0)."""
        return self.uniform(0, 1) < weight * (self.p if p is None else p)

    def where(self, happens: Tensor, values: Tensor, otherwise: float) -> Tensor:
        return torch.where(happens, values, torch.full_like(values, otherwise))


def augment(
    images: Float[Tensor, "B C H W"],
    p: float,
    generator: torch.Generator,
    *,
    strengths: Strengths = BGC,
) -> Float[Tensor, "B C H W"]:
    """Augment square images in [-1, 1]; C is 3, or 6 for pairs, whose halves are transformed alike.

    p: probability in [0, 1] of each transformation. Deterministic given `generator`. Raises
    ValueError for other shapes.
    """
    b, c, h, w = images.shape
    if c % 3 or h != w:
        raise ValueError(f"augmentation takes square images of 3 or 6 channels, not {c}×{h}×{w}")
    if p <= 0:
        return images
    chance = _Chance(images, p, generator)
    images = _blit(images, chance, strengths)
    images = _warp(images, *_geometry(chance, strengths))
    matrix, changed = _color(chance, strengths)
    rgb = images.view(b, c // 3, 3, h * w)
    rgb = matrix[:, None, :3, :3] @ rgb + matrix[:, None, :3, 3:]
    return torch.where(changed[:, None, None, None], rgb.view(b, c, h, w), images)


def adapted(p: float, r: float, *, images: int, target: float = 0.6, kimg: float = 500.0) -> float:
    """The next p (Karras et al. 2020b, section 3.2).

    r: mean sign of D(real) over the last `images` images. Above the target D overfits, and p grows
    by 1 in `kimg` thousand images; below, it falls. It stays in [0, 1].
    """
    step = math.copysign(images / (kimg * 1000), r - target) if r != target else 0.0
    return min(max(p + step, 0.0), 1.0)


def _blit(x: Tensor, chance: _Chance, s: Strengths) -> Tensor:
    """Flips, quarter turns and whole-pixel shifts (reflected at the border): exact copies."""
    h = x.shape[2]
    flips = chance.happens(s.flip) & (chance.uniform(0, 1) < 0.5)
    turns = torch.where(chance.happens(s.turn), chance.uniform(0, 4).floor(), 0.0)
    shifted = chance.happens(s.shift)
    lift, reach = (
        chance.where(shifted, (chance.uniform(-1, 1) * s.shift_max * h).round(), 0)
        for _ in range(2)
    )
    steps = torch.arange(h, device=x.device)
    rows, columns = _reflected(steps - lift[:, None], h), _reflected(steps - reach[:, None], h)
    columns = torch.where(flips[:, None], h - 1 - columns, columns)
    r, c = rows[:, :, None].expand(-1, h, h), columns[:, None, :].expand(-1, h, h)
    turned = ((r, c), (c, h - 1 - r), (h - 1 - r, h - 1 - c), (h - 1 - c, r))
    places = [(a * h + b) * (turns == k)[:, None, None] for k, (a, b) in enumerate(turned)]
    index = torch.stack(places).sum(0).flatten(1)[:, None].expand(-1, x.shape[1], -1)
    return x.flatten(2).gather(2, index).view_as(x)


def _reflected(index: Tensor, size: int) -> Tensor:
    """Integer indices reflected into [0, size), without repeating the border pixel."""
    index = index.long().abs() % (2 * size - 2)
    return torch.where(index < size, index, 2 * size - 2 - index)


def _geometry(chance: _Chance, s: Strengths) -> tuple[Tensor, Tensor]:
    """Output → input affine maps (B, 2, 3) in units of half a side, and which images are warped.

    A rotation comes before and after the anisotropic scaling, each with probability 1 - √(1 - p),
    so that an image is rotated with probability p (appendix B.2).
    """
    scaled, stretched, moved = (chance.happens(k) for k in (s.scale, s.stretch, s.move))
    turn = 1 - math.sqrt(1 - min(s.rotate * chance.p, 1))
    first, last = chance.happens(1, turn), chance.happens(1, turn)
    size = chance.where(scaled, torch.exp2(chance.normal(s.scale_std)), 1)
    limit = math.pi * s.rotate_max
    before = chance.where(first, chance.uniform(-limit, limit), 0)
    ratio = chance.where(stretched, torch.exp2(chance.normal(s.stretch_std)), 1)
    after = chance.where(last, chance.uniform(-limit, limit), 0)
    x = chance.where(moved, chance.normal(s.move_std), 0) * 2
    y = chance.where(moved, chance.normal(s.move_std), 0) * 2
    diagonal = torch.stack([1 / (size * ratio), ratio / size], -1).diag_embed()
    linear = _rotation(before) @ diagonal @ _rotation(after)
    offset = -(linear @ torch.stack([x, y], -1)[..., None])
    return torch.cat([linear, offset], -1), scaled | stretched | moved | first | last


def _rotation(angle: Float[Tensor, "B"]) -> Float[Tensor, "B 2 2"]:
    c, s = angle.cos(), angle.sin()
    return torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)


def _warp(x: Tensor, maps: Float[Tensor, "B 2 3"], moves: Bool[Tensor, "B"]) -> Tensor:
    """Warp at twice the size between a wavelet's low-pass filter and its adjoint, with reflection
    at the border. For an identity warp, the filters reconstruct the image."""
    b, c, h, _ = x.shape
    pad = min(len(SYM6) // 2, h - 1)
    taps = torch.tensor(SYM6, device=x.device).expand(c, 1, 1, -1)
    wide = F.pad(x.float(), (pad, pad, pad, pad), mode="reflect")
    fine = F.conv_transpose2d(wide, taps, stride=(1, 2), groups=c)
    fine = F.conv_transpose2d(fine, taps.transpose(2, 3), stride=(2, 1), groups=c)
    first = 2 * pad + CENTRE
    fine = fine[:, :, first : first + 2 * h, first : first + 2 * h]
    side = 2 * h + len(SYM6) - 2
    centres = (torch.arange(side, device=x.device) - CENTRE + 0.5 - LAG) / h - 1
    v, u = torch.meshgrid(centres, centres, indexing="ij")
    points = torch.stack([u, v, torch.ones_like(u)], -1).view(1, -1, 3)
    grid = (points @ maps.transpose(1, 2)).view(b, side, side, 2)
    grid = 1 - ((grid + 1).remainder(4) - 2).abs()
    warped = _GridSample.apply(fine, grid + LAG / h)
    coarse = F.conv2d(warped, taps, stride=(1, 2), groups=c)
    coarse = F.conv2d(coarse, taps.transpose(2, 3), stride=(2, 1), groups=c)
    return torch.where(moves[:, None, None, None], coarse.to(x.dtype), x)


_MODE = (0, 1, False)
"""Bilinear, border padding, pixel centres at half-integers (align_corners=False)."""


class _GridSample(torch.autograd.Function):
    """Bilinear sampling with second derivatives with respect to the image (sampling is linear in
    it, so the derivative of its adjoint is sampling again); none with respect to the grid.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = image.shape
        return torch.grid_sampler_2d(image, grid, *_MODE)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _GridSplat.apply(gradients[0], grid, ctx.shape), None


class _GridSplat(torch.autograd.Function):
    """The adjoint of `_GridSample`."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        like = gradient.new_empty(1).expand(shape)
        wanted = (True, False)
        return torch.ops.aten.grid_sampler_2d_backward(gradient, like, grid, *_MODE, wanted)[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return _GridSample.apply(gradients[0], grid), None, None


def _color(chance: _Chance, s: Strengths) -> tuple[Float[Tensor, "B 4 4"], Bool[Tensor, "B"]]:
    """Colour matrices on (r, g, b, 1), and which images change."""
    kinds = (s.brightness, s.contrast, s.luma, s.hue, s.saturation)
    bright, contrasted, mirrored, turned, saturated = (chance.happens(k) for k in kinds)
    one = torch.eye(4, device=chance.device)
    grey = torch.tensor([1.0, 1.0, 1.0, 0.0], device=chance.device) / math.sqrt(3)
    along = torch.outer(grey, grey)
    rgb = torch.diag(one.new_tensor([1.0, 1.0, 1.0, 0.0]))
    last = one - rgb
    across = rgb - along

    def per_image(x: Tensor) -> Tensor:
        return x[:, None, None]

    shift = chance.where(bright, chance.normal(s.brightness_std), 0)
    corner = torch.outer(one.new_tensor([1.0, 1.0, 1.0, 0.0]), one[3])
    matrix = one + per_image(shift) * corner
    gain = chance.where(contrasted, torch.exp2(chance.normal(s.contrast_std)), 1)
    matrix = (per_image(gain) * rgb + last) @ matrix
    mirrored = mirrored & (chance.uniform(0, 1) < 0.5)
    matrix = (one - 2 * per_image(mirrored.float()) * along) @ matrix
    limit = math.pi * s.hue_max
    angle = per_image(chance.where(turned, chance.uniform(-limit, limit), 0))
    matrix = (along + last + angle.cos() * across + angle.sin() * _cross(grey)) @ matrix
    vivid = chance.where(saturated, torch.exp2(chance.normal(s.saturation_std)), 1)
    matrix = (along + last + per_image(vivid) * across) @ matrix
    return matrix, bright | contrasted | mirrored | turned | saturated


def _cross(axis: Float[Tensor, "4"]) -> Float[Tensor, "4 4"]:
    """The matrix of v ↦ axis × v, with a row and a column of zeros."""
    x, y, z, o = axis
    return torch.stack([
        torch.stack([o, -z, y, o]), torch.stack([z, o, -x, o]),
        torch.stack([-y, x, o, o]), torch.stack([o, o, o, o]),
    ])  # fmt: skip
