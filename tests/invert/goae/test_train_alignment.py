"""The alignment's recipe on balls: what it learns from, losses, resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from encoder_cases import choices_of, grey_portraits

from portraiture.checkpoints import load_generator
from portraiture.cli.recipes import make_recipe
from portraiture.errors import TrainingError
from portraiture.invert.goae.presets import ENCODER, fitted_encoder
from portraiture.invert.goae.train_alignment import TrainAlignment, perturb
from portraiture.invert.weights import load_alignment, save
from portraiture.networks.goae_encoder import GoaeEncoder
from portraiture.train.distributed import World
from portraiture.train.log import read_log
from portraiture.train.loop import run_recipe
from portraiture.train.rng import generator, step_rng
from portraiture.weights import Card


def test_an_alignment_is_trained_on_what_an_encoder_left(folder: Path) -> None:
    made = make_recipe("encoder", choices_of(folder))
    run_recipe(made, folder / "first", world=World())
    left = folder / "first" / "networks" / "encoder.safetensors"
    second = make_recipe("alignment", replace(choices_of(folder), encoder=left))
    assert isinstance(second, TrainAlignment)
    outcome = run_recipe(second, folder / "second", world=World())
    row = read_log(folder / "second" / "log.jsonl")[-1]
    assert {"features", "image", "other_image", "rays", "other_rays"} <= row.keys()
    learned = outcome.state.models["alignment"].state_dict()
    assert learned["gate_gamma.weight"].any()
    assert learned["gate_beta.weight"].any()
    network = load_alignment(folder / "second" / "networks" / "alignment.safetensors")
    assert network.config.features == 16
    with pytest.raises(TrainingError, match="--encoder"):
        make_recipe("alignment", choices_of(folder))
    with pytest.raises(TrainingError, match="is for alignment"):
        make_recipe("supervised-heads", replace(choices_of(folder), encoder=left))


@pytest.mark.slow
def test_an_alignment_learns_from_photos_of_real_people(folder: Path) -> None:
    """Their share of a batch comes after the known people's, and is drawn from its own view."""
    torch.manual_seed(5)
    network = load_generator(folder / "small.safetensors")
    fitted = fitted_encoder(ENCODER["tiny"], network.config, network.num_ws).encoder
    save(GoaeEncoder(fitted), folder / "encoder.safetensors", Card("goae-encoder", {}))
    grey_portraits(folder / "portraits.safetensors")
    known = replace(choices_of(folder), encoder=folder / "encoder.safetensors")
    recipe = make_recipe("alignment", replace(known, photos=folder / "portraits.safetensors"))
    assert isinstance(recipe, TrainAlignment)
    batch = recipe.batch(0, 4, generator(0))
    assert batch.fitted is not None
    assert len(batch.people.photo) == len(batch.fitted.photo) == 2
    run_recipe(recipe, folder / "run", world=World())
    row = read_log(folder / "run" / "log.jsonl")[-1]
    assert {"own_image", "own_perceptual", "own_outline", "other_image"} <= row.keys()
    with pytest.raises(TrainingError, match="another configuration"):
        run_recipe(make_recipe("alignment", known), folder / "run", world=World())
    alone = replace(recipe.config, run=replace(recipe.config.run, batch=1), fitted_share=0.4)
    with pytest.raises(TrainingError, match="share"):
        TrainAlignment(alone, recipe.data, network, recipe.encoder, fitted=recipe.fitted)


@pytest.mark.slow
def test_an_alignment_in_two_parts_is_one_in_one(folder: Path) -> None:
    """Its batch norms' running means are part of what is kept."""
    torch.manual_seed(5)
    network = load_generator(folder / "small.safetensors")
    fitted = fitted_encoder(ENCODER["tiny"], network.config, network.num_ws).encoder
    save(GoaeEncoder(fitted), folder / "encoder.safetensors", Card("goae-encoder", {}))

    def trained(out: Path, steps: int) -> dict[str, torch.Tensor]:
        choices = replace(choices_of(folder), encoder=folder / "encoder.safetensors", steps=steps)
        made = make_recipe("alignment", choices)
        return run_recipe(made, out, world=World()).state.averages["alignment"].state_dict()

    trained(folder / "a", 2)
    parts, whole = trained(folder / "a", 4), trained(folder / "b", 4)
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    assert any(name.endswith("running_mean") for name in whole)


def test_some_latents_are_perturbed_towards_the_next() -> None:
    draws = step_rng(0, 0, 0, torch.device("cpu"))
    ws = torch.arange(400.0).reshape(400, 1, 1).expand(-1, 3, 2)
    assert perturb(ws, 0.0, draws) is ws
    moved = perturb(ws, 0.5, draws)[1:] - ws[1:]
    assert torch.equal(moved, moved[:, :1, :1].expand_as(moved))
    steps = moved[:, 0, 0]
    assert -1.0 <= steps.min() <= -0.9  # the one before is 1 less
    assert steps.max() == 0.0
    assert 0.4 < (steps < 0.0).float().mean() < 0.6
