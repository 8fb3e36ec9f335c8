"""FF3D's network for inversion, on balls: what it learns from, its planes, a photo's head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from encoder_cases import choices_of, folder_of_people, grey_portraits
from invert_cases import target_of

from portraiture.checkpoints import check_planes, load_image_to_planes
from portraiture.cli.recipes import make_recipe
from portraiture.errors import CheckpointError, InversionError
from portraiture.invert.i2t.method import ImageToPlanesMethod
from portraiture.invert.i2t.train import TrainImageToPlanes
from portraiture.invert.inversion import make_head
from portraiture.invert.method import choose_method
from portraiture.models import Models
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.image_to_planes import ImageToPlanes, planes_of_mean
from portraiture.train.distributed import World
from portraiture.train.loop import run_recipe
from portraiture.train.rng import generator, step_rng


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of_people(tmp_path)


def recipe_of(folder: Path, **changes: object) -> TrainImageToPlanes:
    grey_portraits(folder / "portraits.safetensors")
    choices = replace(choices_of(folder), photos=folder / "portraits.safetensors")
    made = make_recipe("i2t", choices)
    assert isinstance(made, TrainImageToPlanes)
    made.config = replace(made.config, **changes)  # type: ignore[arg-type]
    return made


@pytest.mark.slow
def test_losses_fall_on_one_batch(folder: Path) -> None:
    made = recipe_of(folder, learning_rate=3e-3, decay_steps=400)
    batch = made.batch(0, 4, generator(0))
    assert batch.fitted is not None
    assert [len(part) for part in (batch.z, batch.people.photo, batch.fitted.photo)] == [1, 2, 1]
    state, rows = made.build(World()), []
    for step in range(30):
        state.step = step
        found = made.step(state, batch, step_rng(0, 0, 0, torch.device("cpu")), World())
        rows.append({name: float(loss) for name, loss in found.items()})
    assert {"planes", "w", "image", "other_rays", "own_outline"} <= rows[0].keys()
    for name in ("planes", "w", "raw"):
        assert rows[-1][name] < 0.95 * rows[0][name], name


def test_a_photo_becomes_a_head(folder: Path) -> None:
    made = recipe_of(folder)
    run_recipe(made, folder / "run", world=World())
    weights = folder / "run" / "networks" / "i2t.safetensors"
    models, network = Models(), folder / "small.safetensors"
    with pytest.raises(InversionError, match="shipped"):
        choose_method("i2t", models, network=network)
    with pytest.raises(InversionError, match="--weights only"):
        choose_method("i2t", models, network=network, weights=weights, steps=3)
    method = choose_method("i2t", models, network=network, weights=weights)
    assert isinstance(method, ImageToPlanesMethod)
    target = target_of(method.generator)
    found = method.invert([target])
    assert (
        found.planes.shape == planes_of_mean(method.generator).shape and found.residual is not None
    )
    with torch.no_grad():
        again = method.generator.planes(found.ws) + found.residual
    assert torch.allclose(again, found.planes, atol=1e-5)
    assert make_head(found, target, method).method == "i2t"
    with pytest.raises(InversionError, match="one photo"):
        method.invert([target, target])


def test_planes_for_other_weights_are_refused(folder: Path) -> None:
    made = recipe_of(folder)
    network = ImageToPlanes(made.config.network)
    check_planes(network, made.network)
    torch.manual_seed(7)
    other = TriPlaneGenerator(made.network.config)
    with pytest.raises(CheckpointError, match="generator"):
        check_planes(network, other)
    with pytest.raises(CheckpointError, match="holds eg3d"):
        load_image_to_planes(folder / "small.safetensors")
