"""Pretraining as published: Eq. 4 by hand, a network that learns it, and which generators it is
for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from restyle_cases import solid_generator

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.checkpoints import fingerprint, load_image_to_planes, save_generator
from portraiture.cli.choices import Choices
from portraiture.cli.recipes import make_recipe
from portraiture.errors import TrainingError
from portraiture.networks.image_to_planes import ImageToPlanes, planes_of_photos
from portraiture.ops.resize import resized
from portraiture.restyle.pretrain import LatentBatch, TrainPlanes
from portraiture.train.distributed import World
from portraiture.train.loop import run_recipe
from portraiture.train.rng import step_rng


@pytest.fixture
def recipe(tmp_path: Path) -> TrainPlanes:
    save_generator(solid_generator(), tmp_path / "small.safetensors")
    made = make_recipe("planes", Choices(preset="tiny", start=tmp_path / "small.safetensors"))
    assert isinstance(made, TrainPlanes)
    return made


def test_the_loss_is_the_distance_of_planes(recipe: TrainPlanes) -> None:
    torch.manual_seed(0)
    state = recipe.build(World())
    network, generator = state.models["planes"], recipe.network
    assert isinstance(network, ImageToPlanes)
    z = torch.randn(2, generator.config.z_dim, generator=torch.Generator().manual_seed(0))
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).float()[None]
    with torch.no_grad():
        ws = generator.mapping(z, None, truncation_psi=0.7)
        planes = generator.planes(ws)
        images = [
            generator.upsample(
                generator.render(p[None], camera, deterministic=True).features, w[None]
            )
            for p, w in zip(planes, ws, strict=True)
        ]
        network.train()
        shown = resized(torch.cat(images).clamp(-1.0, 1.0), network.config.image_size)
        made, _ = planes_of_photos(network, shown, generator)
    wanted = float((made - planes).abs().mean() / network.spread)
    found = recipe.step(state, LatentBatch(z), step_rng(0, 0, 0, torch.device("cpu")), World())
    assert float(found["planes"]) == pytest.approx(wanted, rel=1e-3)


def test_it_learns(recipe: TrainPlanes) -> None:
    recipe.config = replace(recipe.config, learning_rate=3e-3, decay_steps=200)
    torch.manual_seed(0)
    state, rows = recipe.build(World()), []
    batch = recipe.batch(0, 3, torch.Generator().manual_seed(1))
    for step in range(25):
        state.step = step
        rng = step_rng(0, step, 0, torch.device("cpu"))
        rows.append(float(recipe.step(state, batch, rng, World())["planes"]))
    assert rows[-1] < 0.9 * rows[0]
    assert recipe.grid(state).shape == (3 * 128, 2 * 128, 3)


def test_it_is_for_the_generator_and_needs_no_data(recipe: TrainPlanes, tmp_path: Path) -> None:
    run_recipe(recipe, tmp_path / "run", world=World())
    made = load_image_to_planes(tmp_path / "run" / "networks" / "planes.safetensors")
    assert made.config.generator == fingerprint(recipe.network)
    assert (made.config.plane_size, made.config.w_dim) == (64, 16)
    with pytest.raises(TrainingError, match="leave out --data"):
        make_recipe("planes", Choices(preset="tiny", data=tmp_path))


def test_styles_start_from_it(recipe: TrainPlanes, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--encoder"):
        make_recipe("styles", Choices(preset="tiny", data=tmp_path))
    with pytest.raises(TrainingError, match="not what styles"):
        make_recipe("styles", Choices(preset="tiny", data=tmp_path, encoder="x"))
