"""Balls as people, a generator and photos, for the recipes of the encoder and the alignment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from people_cases import sphere_person
from safetensors.torch import save_file

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.checkpoints import save_generator
from portraiture.cli.recipes import Choices, make_recipe
from portraiture.data.fitted_photos import SIDE
from portraiture.invert.goae.train_encoder import TrainEncoder
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.people.latent import CHOICE_GROUPS, LATENT_SIZE
from portraiture.people.people_file import person_path, save_person
from portraiture.triplane.rendering import RenderingConfig

SIZES = TriPlaneConfig(
    z_dim=LATENT_SIZE, c_dim=0, w_dim=16, choice_groups=CHOICE_GROUPS, plane_size=64,
    plane_features=8, first_size=8, channel_base=512, channel_max=16, decoder_hidden=8,
    neural_resolution=16, superresolution="2X", superres_widths=(8, 8),
    rendering=RenderingConfig(
        box_warp=0.9, depth_resolution=8, importance_resolution=8, white_background=True,
        plane_axes="fixed",
    ),
)  # fmt: skip


def folder_of_people(folder: Path) -> Path:
    """Three people whose pictures are 32 pixels a side, and a generator for them."""
    (folder / "people").mkdir()
    for index in range(3):
        save_person(sphere_person(seed=index), person_path(folder / "people", index))
    torch.manual_seed(0)
    made = TriPlaneGenerator(SIZES).requires_grad_(False)
    made.decoder.net[2].bias[0] = 12.0  # something solid
    save_generator(made, folder / "small.safetensors")
    return folder


def choices_of(folder: Path) -> Choices:
    return Choices(preset="tiny", data=folder / "people", start=folder / "small.safetensors")


def encoder_recipe(folder: Path, **changes: object) -> TrainEncoder:
    made = make_recipe("encoder", choices_of(folder))
    assert isinstance(made, TrainEncoder)
    config = replace(made.config, **changes)  # type: ignore[arg-type]
    return TrainEncoder(config, made.data, made.sampled, made.network)


def grey_portraits(path: Path, *, grey: int = 128) -> None:
    """Grey ones whose latents begin with 7."""
    tensors = {
        "crops": torch.full((2, 3, SIDE, SIDE), grey, dtype=torch.uint8),
        "alpha": torch.full((2, 1, SIDE, SIDE), 255, dtype=torch.uint8),
        "z": torch.full((2, LATENT_SIZE), 7.0),
        "camera": torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).float().repeat(2, 1),
    }
    save_file(tensors, path)
