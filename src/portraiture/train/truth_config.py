"""Settings of the losses against the engine's ground truth (`train.truth_losses`), in three
sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class TruthConfig:
    """Sampling and weights. Lengths are in EG3D units; counts are per person.

    coarse_points: colours compared without superresolution. patch: side of the part of the n²
    features that passes superresolution. rays: number of volume-rendered rays, each with
    ray_samples coarse and as many importance samples; a pixel is sampled in proportion to its
    weight plus ray_floor. surface_points, empty_points: points at which density is evaluated; the
    empty ones are the densest of empty_tries times as many. near, behind: scale of the distances in
    front of the surface, and maximum distance behind it. absorbing: length over which a solid must
    be opaque. clear: length over which empty space must be transparent. *_weight: of the losses.
    raw_weight exceeds image_weight because superresolution adds to the raw colours: with equal
    weights, there would be no gradient on a raw colour error that it compensates.
    """

    coarse_points: int = 1536
    patch: int = 64
    rays: int = 96
    ray_floor: float = 0.15
    ray_samples: int = 20
    surface_points: int = 768
    empty_points: int = 256
    empty_tries: int = 1
    near: float = 0.02
    behind: float = 0.025
    absorbing: float = 0.012
    clear: float = 0.1
    raw_weight: float = 2.0
    image_weight: float = 1.0
    perceptual_weight: float = 0.4
    density_weight: float = 0.3
    ray_weight: float = 0.5

    def fitting(self, neural_resolution: int) -> TruthConfig:
        """The same config with a patch no larger than a generator's features."""
        return replace(self, patch=min(self.patch, neural_resolution))


TINY = TruthConfig(
    coarse_points=32, patch=8, rays=16, ray_samples=8, surface_points=32, empty_points=16
)
CPU = TruthConfig()
GPU = TruthConfig(
    coarse_points=8192, patch=96, rays=512, ray_samples=48, surface_points=4096, empty_points=2048
)
