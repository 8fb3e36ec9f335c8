"""Confidence in a head: whether the generator's render of w+ alone, before any refinement or tuning
for the photo, is closer to the photo than to images without a face.

w+ ─untuned generator─▶ image ◀─perceptual distance─▶ masked photo ─▶ confidence
An optimisation can make a generator reproduce any image, but the render of w+ alone shows whether
the image contains a person the generator can represent. Drawings of people come as close as photos
do; they are recognised by their lack of shading. [ours]
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from portraiture.invert.inversion import Inversion
from portraiture.metrics.perceptual import ImageDistance
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.ops.resize import resized
from portraiture.people.latent import CHOICE_GROUPS, LATENT_SIZE
from portraiture.perception.target import Target

LOW = 0.05
"""Below this confidence, a head is reported as a guess."""

DRAWN = 0.2
"""Share of unshaded pixels of a face from which the image is considered a drawing."""
FLAT, WHITE = 0.4, 245.0
"""Standard deviation of a 5² window below which it is flat, and minimum over the colour channels
above which a pixel is white; in 8-bit codes."""

SCALES: Mapping[str, tuple[float, float]] = {"perceptual-synthetic": (1.0, 3.8)}
"""Scales by metric: the median distances of the engine's held-out people and of images without a
face, measured by `benchmarks/eval_confidence.py` with the shipped encoder. Those of real photos lie
in between: median 2.6, nine in ten below 3.1."""


def knows_people(generator: TriPlaneGenerator) -> bool:
    """Whether the generator's latents are the engine's people, for which there is a scale."""
    config = generator.config
    return config.z_dim == LATENT_SIZE and config.choice_groups == CHOICE_GROUPS


@torch.no_grad()
def photo_distance(
    found: Inversion, generator: TriPlaneGenerator, target: Target, distance: ImageDistance
) -> float:
    """Distance between the photo and the render of w+ alone. generator: before any tuning."""
    planes = generator.planes(found.ws)
    volume = generator.render(planes, found.camera, deterministic=True)
    image = generator.upsample(volume.features, found.ws).clamp(-1.0, 1.0)
    return float(distance.measure(image, target.image.to(image)))


def confidence(
    found: Inversion, generator: TriPlaneGenerator, target: Target, distance: ImageDistance
) -> float:
    """1 for a photo as close to its head as those of the engine's people are; 0 for one no closer
    than images without a face, and for drawings. Raises KeyError for a distance without a
    scale."""
    near, far = SCALES[distance.metric]
    if unshaded(target) > DRAWN:
        return 0.0
    return scaled(photo_distance(found, generator, target, distance), near, far)


def unshaded(target: Target) -> float:
    """Share of the face in an aligned crop that is flat or that is white, whichever is larger. The
    largest of 48 portraits was 0.001 and of 40 old paintings 0.004; flat cartoons had at least
    0.43, pencil lines on white 0.28 (`benchmarks/eval_confidence.py`)."""
    side = 256
    crop = resized(target.crop, side)
    codes = (crop * 127.5 + 127.5).double()
    grey = codes.mean(1, keepdim=True)
    mean, square = (F.avg_pool2d(x, 5, 1, 2) for x in (grey, grey.square()))
    flat = (square - mean.square()).clamp_min(0.0).sqrt() < FLAT
    white = codes.amin(1, keepdim=True) > WHITE
    where = torch.linspace(-0.5, 0.5, side, dtype=torch.float64)
    face = (where[None] / 0.2).square() + (where[:, None] / 0.26).square() < 1.0
    return max(float(found[0, 0][face].double().mean()) for found in (flat, white))


def scaled(distance: float, near: float, far: float) -> float:
    """1 at `near` or nearer, 0 at `far` or farther."""
    return min(1.0, max(0.0, (far - distance) / (far - near)))
