"""Presets of the recipe i2t; sizes of planes and w are the generator's (`fitted_planes`)."""

from __future__ import annotations

from dataclasses import replace

from portraiture.invert.goae.image_losses import ImageLosses
from portraiture.invert.i2t.train import PlanesTraining
from portraiture.networks.image_to_planes import ImageToPlanesConfig
from portraiture.train import truth_config
from portraiture.train.loop import RunConfig
from portraiture.train.run_presets import TINY_RUN
from portraiture.types import Preset

SMALL = ImageToPlanesConfig(
    code=192, widths=(32, 64, 112, 192), tokens=3, heads=6, layers=(160, 112, 80)
)
"""For two cores."""
LARGE = ImageToPlanesConfig(tokens=3, layers=(192, 128, 96))
"""With w_s of the paper's size; 15.5 MB in half precision."""

I2T: dict[Preset, PlanesTraining] = {
    "tiny": PlanesTraining(
        run=replace(TINY_RUN, batch=3),
        truth=truth_config.TINY,
        network=ImageToPlanesConfig(
            image_size=32, code=8, code_size=8, widths=(16, 16, 16, 16), tokens=1, heads=2,
            layers=(8, 8), plane_size=16,
        ),
        image_losses=ImageLosses(rays=16, ray_samples=4, side=16),
        grid_people=2,
    ),
    "cpu": PlanesTraining(
        run=RunConfig(steps=4_000, batch=10, log_every=25, grid_every=250, checkpoint_every=250),
        truth=replace(
            truth_config.CPU, patch=32, rays=48, ray_samples=12, surface_points=192,
            empty_points=64,
        ),
        network=SMALL,
        decay_steps=4_000,
    ),
    "gpu": PlanesTraining(
        run=RunConfig(steps=8_000, batch=32, log_every=20, grid_every=500, checkpoint_every=500),
        truth=replace(
            truth_config.GPU, patch=64, rays=192, ray_samples=32, surface_points=1_536,
            empty_points=512,
        ),
        network=LARGE,
        decay_steps=8_000,
    ),
}  # fmt: skip
