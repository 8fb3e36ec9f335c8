"""Photos sampled from an image generator, in any number, at a few hundredths of a second each.

z ~ N(0, 1) ─┬─▶ image on white ─matte─▶ new background, augmentation ─▶ photo
             └─▶ the person's latent (`people.latent`)
Letters: B photos, S their side, n side of the generator's images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from scipy import ndimage
from torch import Tensor

from portraiture.data.distort import Distortion, distorted
from portraiture.data.face_set import FaceBatch
from portraiture.networks.faces2d import FacesGenerator
from portraiture.people.latent import LATENT_SIZE

WHITE = 236
"""Minimum channel value (of 255) of a generated white background."""
EDGE = 0.7
"""Width of a matte's edge, pixels."""


class SampledBatch(NamedTuple):
    """photo: in [-1, 1]. z: latents of the people."""

    photo: Float[Tensor, "B 3 S S"]
    z: Float[Tensor, "B Z"]


@dataclass(frozen=True)
class SampledPhotos:
    """generator: of images, with the latents of `people.scene`. backgrounds: new ones, at the size
    at which photos are composited. how: augmentation of the photos."""

    generator: FacesGenerator
    backgrounds: UInt8[Tensor, "K 3 S S"]
    how: Distortion

    @torch.no_grad()
    def sample(self, size: int, generator: torch.Generator) -> SampledBatch:
        """Sample photos of `size` new people with random camera and light; empty for 0."""
        side = self.backgrounds.shape[-1]
        if not size:
            return SampledBatch(
                torch.zeros(0, 3, self.how.size, self.how.size), torch.zeros(0, LATENT_SIZE)
            )
        z = torch.randn(size, self.generator.config.z_dim, generator=generator)
        generated = self.generator.images(self.generator.mapping(z, None))
        generated = F.interpolate(generated, (side, side), mode="bilinear", antialias=True)
        images = ((generated.clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8)
        labels = torch.zeros(size, side, side, dtype=torch.uint8)
        batch = FaceBatch(images, cut_out(images), labels, torch.arange(size))
        seed = int(torch.randint(1 << 62, (), generator=generator))
        photo = distorted(batch, self.how, self.backgrounds, np.random.default_rng(seed))[0]
        return SampledBatch(photo, z[:, :LATENT_SIZE])


def cut_out(images: UInt8[Tensor, "B 3 n n"]) -> UInt8[Tensor, "B 1 n n"]:
    """Alpha of people on white: 255 for the person, holes such as eyes and collars filled."""
    covered = images.amin(1).numpy() < WHITE
    masks = []
    for one in covered:
        filled: Any = ndimage.binary_fill_holes(ndimage.binary_opening(one))
        masks.append(ndimage.gaussian_filter(filled.astype(np.float32), EDGE))
    return torch.from_numpy((np.stack(masks) * 255.0).round().astype(np.uint8))[:, None]
