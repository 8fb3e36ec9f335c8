"""Augment labelled portraits on the device of the training.

LabelledPhotos ─crop, mirror─▶ dye ─▶ light ─▶ occluders ─▶ colour ─▶ blur ─▶ grain ─▶ JPEG
`data.distort` does the same on the CPU, face by face. All randomness is one CPU generator's.
Letters: B images, n side before, m side after.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from portraiture.data.distort import GREY, mirrored_labels
from portraiture.data.labelled_photos import UNKNOWN, LabelledPhotos
from portraiture.types import Segment

SKINS = (Segment.SKIN, Segment.NOSE)
FINGERS = 4


@dataclass(frozen=True)
class Augmentation:
    """Strengths; chances are per image.

    size: side of the result. zoom: range of the crop's side, in EG3D crops; turn: radians; shift:
    standard deviation of its position, in crops. colour: of gain, gamma, saturation and cast. dye:
    chance of other clothes. occlude: chance of an occluder; hands: share of these that are hands.
    """

    size: int
    zoom: tuple[float, float] = (0.8, 1.3)
    turn: float = 0.12
    shift: float = 0.06
    light: float = 0.35
    colour: float = 0.7
    grey: float = 0.04
    dye: float = 0.0
    occlude: float = 0.25
    hands: float = 0.6
    blur: float = 0.4
    grain: float = 0.4
    jpeg: float = 0.4


def augmented(
    photos: LabelledPhotos, index: Int[Tensor, "B"], how: Augmentation,
    backgrounds: UInt8[Tensor, "J 3 k k"], rng: torch.Generator,
) -> tuple[Float[Tensor, "B 3 m m"], Int[Tensor, "B m m"]]:  # fmt: skip
    """Augmented images in [-1, 1] and their labels, on the photos' device."""
    device = photos.images.device
    batch_rng = BatchRng(rng, device, len(index))
    index = index.to(device)
    images = over_backgrounds(photos, index, backgrounds, batch_rng)
    images, labels = cropped(images, photos.labels[index], photos.frames[index], how, batch_rng)
    images = dyed(images, labels, how.dye, batch_rng)
    images = relit(images, how.light, batch_rng)
    images, labels = occluded(images, labels, how, batch_rng)
    images = recoloured(images, how, batch_rng)
    images = softened(images, how.blur, batch_rng)
    strength = batch_rng.uniform(0.0, 0.06) * batch_rng.chance(how.grain)
    noise = torch.randn(images.shape, generator=batch_rng.own, device=device)
    images = (images + noise * strength).clamp(0.0, 1.0)
    spoilt = compressed(images, batch_rng.uniform(20.0, 90.0))
    images = torch.where(batch_rng.chance(how.jpeg) > 0, spoilt, images)
    return images * 2.0 - 1.0, labels


class BatchRng:
    """Random columns (B, 1, 1, 1) on a device, out of a CPU generator."""

    def __init__(self, rng: torch.Generator, device: torch.device, count: int) -> None:
        self.rng, self.device, self.count = rng, device, count
        seed = int(torch.randint(1 << 62, (), generator=rng))
        self.own = torch.Generator(device).manual_seed(seed)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        sampled = torch.rand(self.count, *(shape or (1, 1, 1)), generator=self.rng)
        return (low + (high - low) * sampled).to(self.device)

    def normal(self, deviation: float, *shape: int) -> Tensor:
        sampled = torch.randn(self.count, *(shape or (1, 1, 1)), generator=self.rng)
        return (deviation * sampled).to(self.device)

    def chance(self, share: float) -> Tensor:
        return (torch.rand(self.count, 1, 1, 1, generator=self.rng) < share).float().to(self.device)


def over_backgrounds(
    photos: LabelledPhotos, index: Tensor, backgrounds: UInt8[Tensor, "J 3 k k"], rng: BatchRng
) -> Float[Tensor, "B 3 n n"]:
    """Images in [0, 1]; cut-outs over white get backgrounds."""
    images = photos.images[index].float() / 255.0
    through = 1.0 - photos.alpha[index].float() / 255.0
    if not bool(through.any()):
        return images
    chosen = torch.randint(len(backgrounds), (rng.count,), generator=rng.rng)
    behind = backgrounds[chosen.to(rng.device)].float() / 255.0
    behind = F.interpolate(behind, images.shape[-2:], mode="bilinear")
    return (images + through * (behind - 1.0)).clamp(0.0, 1.0)


def cropped(
    images: Float[Tensor, "B 3 n n"], labels: UInt8[Tensor, "B n n"], frames: Float[Tensor, "B 3"],
    how: Augmentation, rng: BatchRng,
) -> tuple[Float[Tensor, "B 3 m m"], Int[Tensor, "B m m"]]:  # fmt: skip
    """Crops around the frames, half of them mirrored; beyond the image labels are unknown."""
    low, high = (math.log(z) for z in how.zoom)
    zoom = torch.exp(rng.uniform(low, high, 1))[:, 0]
    angle, flip = rng.normal(how.turn, 1)[:, 0], rng.chance(0.5)[:, 0, 0, 0] > 0
    shift = rng.normal(how.shift, 2)
    side = frames[:, 2] * zoom
    c, s = side * angle.cos(), side * angle.sin()
    sign = torch.where(flip, -1.0, 1.0)
    centre = 2.0 * frames[:, :2] - 1.0 + 2.0 * shift * side[:, None]
    rows = [c * sign, -s, centre[:, 0], s * sign, c, centre[:, 1]]
    theta = torch.stack(rows, 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, [len(images), 3, how.size, how.size], align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    known = labels.long()
    swapped = mirrored_labels(known).flip(-1)  # in place: the grid mirrors
    classes = torch.where(flip[:, None, None], swapped, known)
    found = F.grid_sample(
        classes[:, None].float(), grid, mode="nearest", padding_mode="border", align_corners=False
    )
    inside = (grid.abs() <= 1.0).all(-1)
    return images.clamp(0.0, 1.0), torch.where(inside, found[:, 0].round().long(), UNKNOWN)


def dyed(
    images: Float[Tensor, "B 3 m m"], labels: Int[Tensor, "B m m"], chance: float, rng: BatchRng
) -> Float[Tensor, "B 3 m m"]:
    """Clothes of other colours, half of them dark, half with a shirt's and a tie's in front."""
    if not chance:
        return images
    cloth = ((labels == Segment.CLOTH)[:, None]).float()
    grey = images.mean(1, keepdim=True)
    mean = _mean(grey, cloth)
    shade = (grey / mean.clamp_min(0.02)).clamp(0.0, 2.0)
    x, y = _axes(images.shape[-1], rng.device)
    coat, shirt, tie = (_dye(rng) for _ in range(3))
    middle = _mean(x, cloth)
    apart = (x - middle - rng.normal(0.06)).abs()
    opening = rng.uniform(0.03, 0.15) + rng.uniform(0.3, 0.9) * (1.0 - y)
    dye = torch.where((rng.chance(0.5) > 0) & (apart < opening), 0.7 + 0.3 * shirt, coat)
    dye = torch.where((rng.chance(0.3) > 0) & (apart < rng.uniform(0.04, 0.1)), tie, dye)
    return torch.where(cloth * rng.chance(chance) > 0, (dye * shade).clamp(0.0, 1.0), images)


def _axes(side: int, device: torch.device) -> tuple[Float[Tensor, "m m"], Float[Tensor, "m m"]]:
    """x to the right and y down, from -1 to 1."""
    i = torch.linspace(-1.0, 1.0, side, device=device)
    y, x = torch.meshgrid(i, i, indexing="ij")
    return x, y


def _mean(values: Tensor, mask: Float[Tensor, "B 1 m m"]) -> Float[Tensor, "B c 1 1"]:
    """Mean of the values inside of the masks; 0 for an empty one."""
    return (values * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True).clamp_min(1.0)


def _dye(rng: BatchRng) -> Float[Tensor, "B 3 1 1"]:
    dark = rng.chance(0.5) > 0
    level = torch.where(dark, rng.uniform(0.02, 0.2), rng.uniform(0.0, 1.0))
    return (level * torch.exp(rng.normal(0.25, 3, 1, 1))).clamp(0.0, 1.0)


def relit(
    images: Float[Tensor, "B 3 m m"], strength: float, rng: BatchRng
) -> Float[Tensor, "B 3 m m"]:
    """Smooth, slightly coloured uneven light; now and then a shadow with an edge."""
    waves = rng.normal(strength, 1, 3, 3) + rng.normal(0.15 * strength, 3, 3, 3)
    waves = waves - waves.mean((2, 3), keepdim=True)
    field = F.interpolate(waves, images.shape[-2:], mode="bicubic")
    x, y = _axes(images.shape[-1], rng.device)
    angle = rng.uniform(0.0, 2.0 * math.pi)
    along = x * angle.cos() + y * angle.sin() - rng.normal(0.25)
    bend = rng.normal(0.15) * torch.sin(4.0 * (y * angle.cos() - x * angle.sin()))
    edge = torch.sigmoid((along + bend) * rng.uniform(8.0, 60.0))
    dark = rng.chance(0.2) * rng.uniform(0.3, 1.2) * edge
    return (images * torch.exp(field - dark)).clamp(0.0, 1.0)


def occluded(
    images: Float[Tensor, "B 3 m m"], labels: Int[Tensor, "B m m"], how: Augmentation, rng: BatchRng
) -> tuple[Float[Tensor, "B 3 m m"], Int[Tensor, "B m m"]]:
    """Cover some images with hands of the face's own colour, or with ovals and boxes of any; they
    count as background, as in CelebAMask-HQ."""
    hand, (cover, shade) = rng.chance(how.hands) > 0, _hand(images.shape[-1], rng)
    other, pattern = _thing(images.shape[-1], rng)
    skin = torch.stack([labels == s for s in SKINS]).any(0)[:, None].float()
    mean = _mean(images, skin)
    tone = mean * torch.exp(rng.normal(0.2)) * torch.exp(rng.normal(0.05, 3, 1, 1))
    any_colour = rng.uniform(0.05, 0.9) * rng.uniform(0.6, 1.0, 3, 1, 1)
    colours = torch.where(hand, tone * shade, any_colour * pattern).clamp(0.0, 1.0)
    mask = torch.where(hand, cover, other) & (rng.chance(how.occlude) > 0)
    labels = torch.where(mask[:, 0], int(Segment.BACKGROUND), labels)
    return torch.where(mask, colours, images), labels


def _hand(side: int, rng: BatchRng) -> tuple[Tensor, Tensor]:
    """A palm with fingers that reach into the image from a random side: mask and shading."""
    x, y = _axes(side, rng.device)
    angle, size = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(0.16, 0.34)
    away = rng.uniform(0.15, 0.9)
    direction = angle + rng.normal(0.5)
    px, py = x - away * angle.cos(), y - away * angle.sin()
    u = (px * direction.cos() + py * direction.sin()) / size  # outwards, to the wrist
    v = (py * direction.cos() - px * direction.sin()) / size
    wrist = ((v.abs() - 0.45).clamp_min(0.0) ** 2 + (-u).clamp_min(0.0) ** 2).sqrt()
    height = 1.0 - (wrist / 0.55)
    spread, length = rng.uniform(0.0, 0.35), rng.uniform(0.8, 1.6)
    for k in range(FINGERS):
        turn = spread * (k - 1.5)
        fu = u * turn.cos() + v * turn.sin()
        fv = v * turn.cos() - u * turn.sin() - 0.3 * (k - 1.5)
        beyond = (-fu - length * (1.0 - 0.08 * abs(k - 1.2))).clamp_min(0.0)
        distance = (fv**2 + beyond**2 + fu.clamp_min(0.0) ** 2).sqrt()
        height = torch.maximum(height, 1.0 - distance / 0.17)
    shade = 0.55 + 0.5 * height.clamp(0.0, 1.0).sqrt()
    return height > 0, shade


def _thing(side: int, rng: BatchRng) -> tuple[Tensor, Tensor]:
    """A soft box or an oval from the image's edge: mask and pattern."""
    x, y = _axes(side, rng.device)
    angle = rng.uniform(0.0, 2.0 * math.pi)
    u = x * angle.cos() + y * angle.sin() - rng.uniform(0.45, 1.3)
    v = y * angle.cos() - x * angle.sin() - rng.normal(0.3)
    power = torch.where(rng.chance(0.5) > 0, 2.0, 8.0)
    inside = (u / rng.uniform(0.15, 0.5)).abs() ** power
    inside = inside + (v / rng.uniform(0.06, 0.35)).abs() ** power
    return inside < 1.0, 1.0 + 0.4 * torch.sin(6.0 * u + 4.0 * v)


def recoloured(
    images: Float[Tensor, "B 3 m m"], how: Augmentation, rng: BatchRng
) -> Float[Tensor, "B 3 m m"]:
    """Exposure, contrast, gamma, white balance and saturation."""
    s = how.colour
    images = images.clamp_min(1e-4) ** torch.exp(rng.normal(0.22 * s))
    images = images * torch.exp(rng.normal(0.07 * s, 3, 1, 1))
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * torch.exp(rng.normal(0.15 * s)) + rng.normal(0.05 * s)
    saturation = torch.exp(rng.normal(0.3 * s)) * (1.0 - rng.chance(how.grey))
    grey = (images * torch.tensor(GREY, device=rng.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return (grey + (images - grey) * saturation).clamp(0.0, 1.0)


def softened(
    images: Float[Tensor, "B 3 m m"], chance: float, rng: BatchRng
) -> Float[Tensor, "B 3 m m"]:
    """Some images at a lower resolution, one for the whole batch, mixed by a share of each."""
    side = max(4, int(images.shape[-1] * (0.25 + 0.5 * float(torch.rand((), generator=rng.rng)))))
    small = F.interpolate(images, (side, side), mode="area")
    blurred = F.interpolate(small, images.shape[-2:], mode="bilinear")
    share = rng.chance(chance) * rng.uniform(0.3, 1.0)
    return images + share * (blurred - images)


def compressed(
    images: Float[Tensor, "B 3 m m"], quality: Float[Tensor, "B 1 1 1"]
) -> Float[Tensor, "B 3 m m"]:
    """JPEG (ITU-T T.81): Y'CbCr, chroma at half the size, 8×8 DCT, quantised by Annex K's tables
    scaled to the quality as libjpeg does. Sides are multiples of 16."""
    rows = torch.tensor(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]],
        device=images.device,
    )
    back = torch.linalg.inv(rows)
    colours = torch.einsum("ij,bjhw->bihw", rows, images * 255.0)
    scale = torch.where(quality < 50.0, 5000.0 / quality, 200.0 - 2.0 * quality) / 100.0
    luma = _quantised(colours[:, :1] - 128.0, LUMA, scale) + 128.0
    half = F.avg_pool2d(colours[:, 1:], 2)
    chroma = F.interpolate(_quantised(half, CHROMA, scale), scale_factor=2, mode="bilinear")
    found = torch.einsum("ij,bjhw->bihw", back, torch.cat([luma, chroma], 1))
    return (found / 255.0).clamp(0.0, 1.0)


def _quantised(planes: Tensor, table: tuple[int, ...], scale: Tensor) -> Tensor:
    """Planes through the quantised DCT of 8×8 blocks."""
    k = torch.arange(8, device=planes.device, dtype=torch.float32)
    basis = torch.cos((2.0 * k[None] + 1.0) * k[:, None] * math.pi / 16.0) * 0.5
    basis[0] *= math.sqrt(0.5)
    b, c, h, w = planes.shape
    blocks = planes.view(b, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5)
    steps = torch.tensor(table, device=planes.device).view(8, 8)
    steps = (steps * scale[..., None, None]).round().clamp(1.0, 255.0)
    found = torch.round(basis @ blocks @ basis.T / steps) * steps
    return (basis.T @ found @ basis).permute(0, 1, 2, 4, 3, 5).reshape(b, c, h, w)


LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
) + (99,) * 32  # fmt: skip
"""Annex K's quantisation tables K.1 and K.2."""
