"""How well an imitator stands for the engine (Sang et al. 2022, section 3.3 and figure 1).

held-out vectors ─engine, imitator─▶ images ─PSNR─          of strict vectors
a, b ─lerp, all choices at once─▶ images ─▶ how far from both ends, how even the steps
Letters: D length of a vector, K steps, n side of an image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from portraiture.metrics.psnr import psnr
from portraiture.parametrize.networks import Imitator
from portraiture.parametrize.run import engine_image
from portraiture.parametrize.vector import vector_of
from portraiture.people.pairs import sample_avatar
from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.types import as_uint8

HELD_OUT = 0x1A17
"""Seed of the avatars."""
STEPS = 17
"""Images of an interpolation, both ends included."""


@dataclass(frozen=True)
class Imitated:
    """psnr: against the engine, dB, mean over avatars; lowest: of the worst tenth. rising: share
    of the steps between two avatars that lead away from the first and towards the second.
    roughest: largest step of an interpolation over the mean one, mean over pairs."""

    avatars: int
    psnr: float
    lowest: float
    rising: float
    roughest: float


def measure_imitator(
    imitator: Imitator, *, avatars: int, progress: Progress = SILENT
) -> tuple[Imitated, list[UInt8[ndarray, "n n 3"]]]:
    """Measure held-out avatars, half of which are people (`people.pairs.STRANGE`), and the way from
    each to the next; and their renders by the engine. Raises CancelledError."""
    side = imitator.config.faces.size
    progress.stage("Imitate held-out avatars", avatars)
    known = [sample_avatar(index, seed=HELD_OUT) for index in range(avatars)]
    vectors = torch.stack([vector_of(one) for one in known]).to(imitator.w_avg)
    renders, scores = [], []
    for parameters, vector in zip(known, vectors, strict=True):
        renders.append(engine_image(parameters, size=side, style=imitator.config.style))
        shown = imitated(imitator, vector[None])[0]
        scores.append(psnr(shown / 255.0, renders[-1] / 255.0))
        raise_if_cancelled(progress)
        progress.step()
    ways = [way(imitator, vectors[k - 1], vectors[k]) for k in range(avatars)]
    rising, roughest = np.mean([steadiness(images) for images in ways], 0).tolist()
    worst = np.sort(scores)[: max(1, avatars // 10)]
    return Imitated(avatars, float(np.mean(scores)), float(worst.mean()), rising, roughest), renders


@torch.no_grad()
def imitated(imitator: Imitator, vectors: Float[Tensor, "K D"]) -> UInt8[ndarray, "K n n 3"]:
    """The imitator's images."""
    images = imitator(vectors).clamp(-1.0, 1.0)
    return as_uint8((0.5 * images + 0.5).permute(0, 2, 3, 1).cpu().numpy())


def way(
    imitator: Imitator, first: Float[Tensor, "D"], second: Float[Tensor, "D"], steps: int = STEPS
) -> UInt8[ndarray, "K n n 3"]:
    """The images from one vector to another, choices relaxed in between."""
    along = torch.linspace(0.0, 1.0, steps).to(first)[:, None]
    return imitated(imitator, torch.lerp(first[None], second[None], along))


def steadiness(images: UInt8[ndarray, "K n n 3"]) -> tuple[float, float]:
    """Share of the steps that go further from the first image and nearer to the last, by mean
    absolute difference, and the largest step over the mean one; 1 and 0 for equal images."""
    x = images.astype(np.float64).reshape(len(images), -1)
    away = np.diff(np.abs(x - x[0]).mean(1)) > 0.0
    nearer = np.diff(np.abs(x - x[-1]).mean(1)) < 0.0
    steps = np.abs(np.diff(x, axis=0)).mean(1)
    if not steps.any():
        return 1.0, 0.0
    return float((away & nearer).mean()), float(steps.max() / steps.mean())
