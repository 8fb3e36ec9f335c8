"""How the losses against the engine's truth (`train.truth_losses`) sample and weigh it, with
settings of three sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class TruthConfig:
    """Lengths are EG3D units.

    coarse_points: colours a person where there is no superresolution. patch: side of the part of
    the n² features that passes superresolution. rays: volume-rendered rays a person, with
    ray_samples coarse and as many importance samples; a pixel's chance of one is its weight and
    ray_floor more. surface_points, empty_points: where density is asked a person; of empty_tries
    times as many empty ones, the densest. near, behind: deviation before and reach behind the
    surface of the former. absorbing: length over which a solid must be opaque. clear: length over
    which empty space must not be. *_weight: of the losses; raw_weight is above image_weight, for
    superresolution adds to the raw colours: under equal weights nothing moves a wrong colour that
    it takes back.
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
        """The same with a patch no larger than a generator's features."""
        return replace(self, patch=min(self.patch, neural_resolution))


TINY = TruthConfig(
    coarse_points=32, patch=8, rays=16, ray_samples=8, surface_points=32, empty_points=16
)
CPU = TruthConfig()
GPU = TruthConfig(
    coarse_points=8192, patch=96, rays=512, ray_samples=48, surface_points=4096, empty_points=2048
)
