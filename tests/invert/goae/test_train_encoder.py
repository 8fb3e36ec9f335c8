"""The encoder's recipe on balls: photos, losses, levels and resume."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from encoder_cases import choices_of, encoder_recipe, grey_portraits

from portraiture.cli.recipes import make_recipe
from portraiture.errors import TrainingError
from portraiture.invert.goae.presets import ENCODER
from portraiture.invert.goae.train_encoder import TrainEncoder
from portraiture.invert.weights import load_encoder
from portraiture.networks.pyramid_encoder import PyramidEncoder
from portraiture.people.latent import LATENT_SIZE
from portraiture.train.distributed import World
from portraiture.train.log import read_log
from portraiture.train.loop import run_recipe
from portraiture.train.rng import generator, step_rng


def test_learning_brings_w_nearer(folder: Path) -> None:
    recipe, world = (
        encoder_recipe(folder, learning_rate=0.01, truth_weight=0.0, sampled_share=0.0),
        World(),
    )
    torch.manual_seed(1)
    state = recipe.build(world)
    latent = []
    for step in range(20):
        batch = recipe.batch(step, 3, generator(0, 0, step))
        found = recipe.step(state, batch, step_rng(0, step, 0, world.device), world)
        latent.append(float(found["latent"]))
        state.step += 1
    assert latent[-1] < 0.4 * latent[0]


def test_before_the_whole_begins_there_is_w_alone(folder: Path) -> None:
    recipe, world = encoder_recipe(folder, whole_from=1), World()
    state = recipe.build(world)
    for step, more in ((0, False), (1, True)):
        batch = recipe.batch(step, 2, generator(0, 0, step))
        found = recipe.step(state, batch, step_rng(0, step, 0, world.device), world)
        assert ("image" in found, "loss_d" in found, "adversarial" in found) == (more,) * 3
        assert "latent" in found
        state.step += 1


def test_the_rate_falls_twice(folder: Path) -> None:
    recipe = encoder_recipe(
        folder, learning_rate=1.0, warmup=0, decay_steps=1_000, whole_from=400, whole_rate=0.1,
        whole_decay=200,
    )  # fmt: skip
    assert recipe.rate(200) == pytest.approx(0.01 + 0.99 * 0.5 * (1.0 + math.cos(0.2 * math.pi)))
    assert recipe.rate(399) > 0.6
    assert recipe.rate(450) == pytest.approx(0.1 * (0.01 + 0.99 * (0.5 + 0.5 * 0.5**0.5)), rel=1e-3)
    assert recipe.rate(600) == pytest.approx(0.001)
    steady = encoder_recipe(
        folder, learning_rate=1.0, warmup=100, decay_steps=10**9, whole_from=400
    )
    assert steady.rate(59) == pytest.approx(0.6)
    assert steady.rate(5_000) == pytest.approx(1.0)


@pytest.mark.parametrize("architecture", ["psp", "e4e"])
def test_a_baseline_trains_the_same_way(folder: Path, architecture: str) -> None:
    choices = replace(choices_of(folder), architecture=architecture)
    recipe = make_recipe("encoder", choices)
    assert isinstance(recipe, TrainEncoder)
    assert (recipe.config.adversarial_weight == 0.0) == (architecture == "psp")
    run_recipe(recipe, folder / "run", world=World())
    left = load_encoder(folder / "run" / "networks" / "encoder.safetensors")
    assert isinstance(left, PyramidEncoder)
    assert left.config.kind == architecture
    assert left.config.num_ws == recipe.network.num_ws
    with pytest.raises(TrainingError, match="--architecture"):
        make_recipe("alignment", choices)


def test_half_of_a_batch_is_drawn(folder: Path) -> None:
    recipe = encoder_recipe(folder)
    batch = recipe.batch(0, 4, generator(3))
    assert batch.people.photo.shape == batch.sampled.photo.shape == (2, 3, 32, 32)
    assert batch.sampled.z.shape == (2, LATENT_SIZE)
    again = recipe.batch(0, 4, generator(3))
    assert torch.equal(batch.sampled.photo, again.sampled.photo)
    assert recipe.sampled.sample(0, generator(0)).photo.shape == (0, 3, 32, 32)


def test_every_loss_has_a_gradient_and_the_generator_stays(folder: Path) -> None:
    recipe, world = encoder_recipe(folder), World()
    torch.manual_seed(1)
    state = recipe.build(world)
    before = {k: v.clone() for k, v in recipe.network.state_dict().items()}
    batch = recipe.batch(0, 2, generator(0))
    recipe.measure(state)
    offsets = state.models["encoder"](torch.cat([batch.people.photo, batch.sampled.photo]))
    ws = recipe.network.backbone.mapping.w_avg + offsets
    draws = step_rng(0, 0, 0, world.device)
    losses = recipe.losses(state, ws, offsets, batch, draws)
    expected = {"latent", "offset", "adversarial", "empty", "solid", "rays", "raw", "image"}
    assert losses.keys() == expected | {"perceptual", "prior"}
    for name, loss in losses.items():
        if name in ("offset", "prior"):
            continue  # nothing is added yet: the gates begin at 0, w among those of people
        (gradient,) = torch.autograd.grad(loss, ws, retain_graph=True)
        assert torch.isfinite(gradient).all(), name
        assert gradient.abs().sum() > 0, name
    recipe.step(state, batch, draws, world)
    for name, value in recipe.network.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.slow
def test_a_run_in_two_parts_is_a_run_in_one(folder: Path) -> None:
    def trained(out: Path, steps: int) -> dict[str, torch.Tensor]:
        recipe = encoder_recipe(folder)
        config = replace(recipe.config, run=replace(recipe.run, steps=steps))
        made = TrainEncoder(config, recipe.data, recipe.sampled, recipe.network)
        state = run_recipe(made, out, world=World()).state
        return state.averages["encoder"].state_dict() | state.models["encoder"].state_dict()

    trained(folder / "a", 4)
    parts = trained(folder / "a", 8)
    whole = trained(folder / "b", 8)
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    assert (folder / "a" / "networks" / "encoder.safetensors").is_file()


@pytest.mark.slow
def test_photos_of_real_people_join_the_batch(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey_portraits(folder / "portraits.safetensors")
    choices = replace(choices_of(folder), photos=folder / "portraits.safetensors")
    with pytest.raises(TrainingError, match="share"):
        make_recipe("encoder", choices)
    run = replace(ENCODER["tiny"].run, batch=4)
    monkeypatch.setitem(ENCODER, "tiny", replace(ENCODER["tiny"], run=run))
    recipe = make_recipe("encoder", choices)
    assert isinstance(recipe, TrainEncoder)
    assert make_recipe("encoder", choices_of(folder)).config.fitted_share == 0.0
    batch = recipe.batch(0, 8, generator(0))
    assert len(batch.people.photo) == 3
    assert len(batch.sampled.photo) == 5
    assert (batch.sampled.z[-2:, 0] == 7.0).all()
    assert not (batch.sampled.z[:-2, 0] == 7.0).any()
    run_recipe(recipe, folder / "run", world=World())
    row = read_log(folder / "run" / "log.jsonl")[-1]
    assert {"own_image", "own_perceptual", "own_identity", "own_outline"} <= row.keys()
    with pytest.raises(TrainingError, match="--photos"):
        make_recipe("identity", replace(choices, start=None))
    grey_portraits(folder / "portraits.safetensors", grey=129)
    with pytest.raises(TrainingError, match="another configuration"):
        run_recipe(make_recipe("encoder", choices), folder / "run", world=World())
