"""Augment renders like real photos: backgrounds, crops, light, cameras, compression, occluders.

FaceBatch ─background─▶ flip ─▶ dye ─▶ crop ─▶ light ─▶ occluders ─▶ colour ─▶ blur ─▶ grain ─▶ JPEG
All random numbers come from one numpy generator. Letters: B faces, n side before, m side after.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from portraiture.data.face_set import FaceBatch
from portraiture.people.backgrounds import sample_background
from portraiture.types import Segment

SWAPPED = (
    (Segment.LEFT_EYE, Segment.RIGHT_EYE),
    (Segment.LEFT_BROW, Segment.RIGHT_BROW),
    (Segment.LEFT_EAR, Segment.RIGHT_EAR),
)
"""Classes swapped by mirroring."""
GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Distortion:
    """Strengths of the augmentation; probabilities are per face.

    size: side of the result. mirror: probability of mirroring. zoom: range of the crop's side
    relative to the image's. shift: standard deviation of its position, likewise. turn: standard
    deviation of its angle, radians. light: strength of uneven light. colour: of gain, gamma,
    saturation and cast. grey: probability of a greyscale image. dye, occlude, blur, grain, jpeg:
    probabilities.
    """

    size: int
    mirror: float = 0.5
    zoom: tuple[float, float] = (0.8, 1.1)
    shift: float = 0.03
    turn: float = 0.08
    light: float = 0.35
    colour: float = 1.0
    grey: float = 0.05
    dye: float = 0.0
    occlude: float = 0.2
    blur: float = 0.4
    grain: float = 0.4
    jpeg: float = 0.4


def distorted(
    batch: FaceBatch,
    how: Distortion,
    backgrounds: UInt8[Tensor, "K 3 n n"],
    rng: np.random.Generator,
) -> tuple[Float[Tensor, "B 3 m m"], Int[Tensor, "B m m"]]:
    """Augmented images in [-1, 1] and their labels (int64)."""
    images = before_backgrounds(batch, backgrounds, rng)
    images, labels = flipped(images, batch.labels.long(), how.mirror, rng)
    images = redyed(images, labels, how.dye, rng)
    images, labels = cropped(images, labels, how, rng)
    images = relit(images, how.light, rng)
    images, labels = occluded(images, labels, how.occlude, rng)
    images = recoloured(images, how, rng)
    images = softened(images, how.blur, rng)
    strength = rng.uniform(0.0, 0.06, len(images)) * (rng.random(len(images)) < how.grain)
    noise = torch.from_numpy(rng.standard_normal(images.shape, np.float32))
    images = (images + noise * _column(strength)).clamp(0.0, 1.0)
    return compressed(images, how.jpeg, rng) * 2.0 - 1.0, labels


def background_pool(count: int, size: int, seed: int) -> UInt8[Tensor, "K 3 n n"]:
    """`count` procedural backgrounds."""
    rng = np.random.default_rng([seed, 3])
    images = [(sample_background(rng, size) * 255).astype(np.uint8) for _ in range(count)]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def before_backgrounds(
    batch: FaceBatch, backgrounds: UInt8[Tensor, "K 3 n n"], rng: np.random.Generator
) -> Float[Tensor, "B 3 n n"]:
    """Composite matted people on white onto other backgrounds, in [0, 1]."""
    chosen = torch.from_numpy(rng.integers(len(backgrounds), size=len(batch.images)))
    behind = backgrounds[chosen].float() / 255.0
    through = 1.0 - batch.alpha.float() / 255.0
    return (batch.images.float() / 255.0 + through * (behind - 1.0)).clamp(0.0, 1.0)


def flipped(
    images: Float[Tensor, "B 3 n n"], labels: Int[Tensor, "B n n"], chance: float,
    rng: np.random.Generator,
) -> tuple[Float[Tensor, "B 3 n n"], Int[Tensor, "B n n"]]:  # fmt: skip
    """Mirror some of the faces, swapping left and right classes."""
    chosen = torch.from_numpy(rng.random(len(images)) < chance)
    images = torch.where(chosen[:, None, None, None], images.flip(-1), images)
    return images, torch.where(chosen[:, None, None], mirrored_labels(labels), labels)


def mirrored_labels(labels: Int[Tensor, "B n n"]) -> Int[Tensor, "B n n"]:
    """The labels of mirrored images; other numbers, as of unknown pixels, stay."""
    table = torch.arange(256)
    for a, b in SWAPPED:
        table[a], table[b] = int(b), int(a)
    return table.to(labels.device)[labels].flip(-1)


def redyed(
    images: Float[Tensor, "B 3 n n"],
    labels: Int[Tensor, "B n n"],
    chance: float,
    rng: np.random.Generator,
) -> Float[Tensor, "B 3 n n"]:
    """Recolour clothes, half of them dark, some as a suit over a shirt with or without a tie, which
    the engine lacks."""
    images = images.clone()
    i = torch.linspace(-1.0, 1.0, images.shape[-1])
    y, x = torch.meshgrid(i, i, indexing="ij")
    for k in np.flatnonzero(rng.random(len(images)) < chance):
        cloth = labels[k] == Segment.CLOTH
        if not cloth.any():
            continue
        grey = images[k].mean(0)
        shade = (grey / grey[cloth].mean().clamp_min(0.02)).clamp(0.0, 2.0)
        dyes = _dyes(rng, 3)
        dye = dyes[0].expand(3, *x.shape)
        if rng.random() < 0.5:
            middle = x[cloth].mean() + rng.normal(0.0, 0.08)
            opening = rng.uniform(0.03, 0.15) + rng.uniform(0.3, 0.9) * (1.0 - y)
            apart = (x - middle).abs()
            dye = torch.where(apart < opening, 0.7 + 0.3 * dyes[1], dye)
            if rng.random() < 0.6:
                dye = torch.where(apart < rng.uniform(0.04, 0.1), dyes[2], dye)
        images[k] = torch.where(cloth, (dye * shade).clamp(0.0, 1.0), images[k])
    return images


def _dyes(rng: np.random.Generator, count: int) -> Float[Tensor, "count 3 1 1"]:
    level = np.where(rng.random(count) < 0.5, rng.uniform(0.02, 0.2, count), rng.random(count))
    dyes = np.clip(level[:, None] * np.exp(rng.normal(0.0, 0.25, (count, 3))), 0.0, 1.0)
    return torch.from_numpy(dyes.astype(np.float32))[..., None, None]


def cropped(
    images: Float[Tensor, "B 3 n n"],
    labels: Int[Tensor, "B n n"],
    how: Distortion,
    rng: np.random.Generator,
) -> tuple[Float[Tensor, "B 3 m m"], Int[Tensor, "B m m"]]:
    """Crop with jitter in position, size and angle; the image is reflected at its edges."""
    count = len(images)
    low, high = (float(np.log(side)) for side in how.zoom)
    zoom = np.exp(rng.uniform(low, high, count))
    angle = rng.normal(0.0, how.turn, count)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    shift = 2.0 * rng.normal(0.0, how.shift, (2, count))
    matrix = np.stack([cos, np.negative(sin), shift[0], sin, cos, shift[1]], 1).reshape(count, 2, 3)
    theta = torch.from_numpy(matrix.astype(np.float32))
    grid = F.affine_grid(theta, [count, 3, how.size, how.size], align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    whole = labels[:, None].float()
    nearest = F.grid_sample(
        whole, grid, mode="nearest", padding_mode="reflection", align_corners=False
    )
    return images, nearest[:, 0].round().long()


def relit(
    images: Float[Tensor, "B 3 m m"], strength: float, rng: np.random.Generator
) -> Float[Tensor, "B 3 m m"]:
    """Multiply by smooth, uneven, slightly coloured light."""
    waves = rng.normal(0.0, strength, (len(images), 1, 3, 3))
    waves = waves + rng.normal(0.0, 0.15 * strength, (len(images), 3, 3, 3))
    waves -= waves.mean((2, 3), keepdims=True)
    field = F.interpolate(
        torch.from_numpy(waves.astype(np.float32)), images.shape[-2:], mode="bicubic"
    )
    return (images * torch.exp(field)).clamp(0.0, 1.0)


def occluded(
    images: Float[Tensor, "B 3 m m"],
    labels: Int[Tensor, "B m m"],
    chance: float,
    rng: np.random.Generator,
) -> tuple[Float[Tensor, "B 3 m m"], Int[Tensor, "B m m"]]:
    """Add occluders (hands, microphones, heads) as soft-edged ovals and boxes from the image's
    edges; they are labelled background, as in CelebAMask-HQ."""
    i = np.linspace(-1.0, 1.0, images.shape[-1], dtype=np.float32)
    x, y = np.meshgrid(i, i)
    for k in np.flatnonzero(rng.random(len(images)) < chance):
        angle, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.55, 1.3)
        u = x * np.cos(angle) + y * np.sin(angle) - away
        v = -x * np.sin(angle) + y * np.cos(angle) - rng.normal(0.0, 0.3)
        a, b = rng.uniform(0.15, 0.5), rng.uniform(0.06, 0.35)
        power = rng.choice([2.0, 8.0])
        cover = np.abs(u / a) ** power + np.abs(v / b) ** power < 1.0
        colour = rng.uniform(0.05, 0.9) * np.array([1.0, rng.uniform(0.6, 1.0), 0.8])
        shade = colour[:, None, None] * (1.0 + 0.4 * np.sin(6.0 * u + 4.0 * v))
        mask = torch.from_numpy(cover)
        shaded = torch.from_numpy(shade.astype(np.float32)).clamp(0.0, 1.0)
        images[k] = torch.where(mask, shaded, images[k])
        labels[k] = torch.where(mask, int(Segment.BACKGROUND), labels[k])
    return images, labels


def recoloured(
    images: Float[Tensor, "B 3 m m"], how: Distortion, rng: np.random.Generator
) -> Float[Tensor, "B 3 m m"]:
    """Jitter exposure, contrast, gamma, white balance and saturation."""
    count, s = len(images), how.colour
    gamma = np.exp(rng.normal(0.0, 0.22 * s, count))
    gain = np.exp(rng.normal(0.0, 0.07 * s, (count, 3)))[..., None, None]
    contrast, lift = np.exp(rng.normal(0.0, 0.15 * s, count)), rng.normal(0.0, 0.05 * s, count)
    saturation = np.exp(rng.normal(0.0, 0.3 * s, count)) * (rng.random(count) >= how.grey)
    images = images.clamp_min(1e-4) ** _column(gamma)
    images = images * torch.from_numpy(gain.astype(np.float32))
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * _column(contrast) + _column(lift)
    grey = (images * torch.tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return (grey + (images - grey) * _column(saturation)).clamp(0.0, 1.0)


def softened(
    images: Float[Tensor, "B 3 m m"], chance: float, rng: np.random.Generator
) -> Float[Tensor, "B 3 m m"]:
    """Blur some images by downsampling and upsampling."""
    images = images.clone()
    for k in np.flatnonzero(rng.random(len(images)) < chance):
        side = int(images.shape[-1] * rng.uniform(0.25, 0.9))
        small = F.interpolate(images[k : k + 1], (side, side), mode="area")
        images[k] = F.interpolate(small, images.shape[-2:], mode="bilinear")[0]
    return images


def compressed(
    images: Float[Tensor, "B 3 m m"], chance: float, rng: np.random.Generator
) -> Float[Tensor, "B 3 m m"]:
    """Compress some images as JPEG with quality 20 to 90."""
    images = images.clone()
    for k in np.flatnonzero(rng.random(len(images)) < chance):
        pixels = (images[k].permute(1, 2, 0).numpy() * 255.0 + 0.5).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(20, 91)))
        again = np.array(Image.open(file), np.float32) / 255.0
        images[k] = torch.from_numpy(again).permute(2, 0, 1)
    return images


def _column(values: ndarray) -> Float[Tensor, "B 1 1 1"]:
    return torch.from_numpy(np.asarray(values, np.float32)).view(-1, 1, 1, 1)
