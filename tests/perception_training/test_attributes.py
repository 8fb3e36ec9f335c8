"""The attribute network on balls and sampled people: its targets, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from people_cases import sphere_person

from portraiture.cli.recipes import Choices, make_recipe
from portraiture.errors import CheckpointError
from portraiture.people.attributes import score_people
from portraiture.people.people_file import person_path, save_person
from portraiture.perception.attributes import AttributeNetwork, AttributesConfig
from portraiture.perception.weights import load_attributes, save_network
from portraiture.perception_training.attributes import TrainAttributes, known_spread
from portraiture.train.distributed import World
from portraiture.train.loop import run_recipe
from portraiture.train.rng import generator, step_rng

SIZES = AttributesConfig(("smile", "age"), (0.5, 0.3), (0.1, 0.2), width=4, size=32)


def _recipe(folder: Path) -> TrainAttributes:
    (folder / "people").mkdir()
    for index in range(2):
        save_person(sphere_person(seed=index), person_path(folder / "people", index))
    made = make_recipe("attributes", Choices(preset="tiny", data=folder / "people"))
    assert isinstance(made, TrainAttributes)
    return made


@pytest.mark.slow
def test_its_targets_are_the_engines_scores(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path)
    z = recipe.sampled.sample(3, generator(1)).z
    wanted, scores = recipe.standardised(z), score_people(z.numpy())
    names, means, deviations = known_spread()
    for k, name in enumerate(names):
        back = wanted[:, k].numpy() * deviations[k] + means[k]
        assert np.allclose(back, scores[name], atol=1e-5)  # type: ignore[index]


def test_scores_are_standard_over_people() -> None:
    names, means, deviations = known_spread()
    assert {"smile", "sex", "beard"} <= set(names)
    at = names.index("sex")
    assert 0.4 < means[at] < 0.6  # as many women as men
    assert 0.3 < deviations[at] < 0.5


@pytest.mark.slow
def test_it_learns_a_batch_by_heart(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path)
    config = replace(recipe.config, learning_rate=0.01, decay_steps=10_000)
    recipe = TrainAttributes(config, recipe.data, recipe.sampled)
    torch.manual_seed(0)
    state, world = recipe.build(World()), World()
    batch = recipe.batch(0, 8, generator(0))
    losses = []
    for step in range(40):
        found = recipe.step(state, batch, step_rng(0, step, 0, world.device), world)
        losses.append(float(found["loss"]))
        state.step += 1
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.slow
def test_what_a_run_leaves_can_be_loaded(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path)
    run_recipe(recipe, tmp_path / "run", world=World())
    network = load_attributes(tmp_path / "run" / "networks" / "attributes.safetensors")
    assert network.config == recipe.config.network
    paths = save_network(network, tmp_path / "kept", data="x", recipe="x", metrics={})
    again = load_attributes(tmp_path / "kept")
    image = torch.zeros(1, 3, 64, 64)
    assert torch.allclose(again(image), network(image), atol=1e-2)
    assert len(paths) == 2
    with pytest.raises(CheckpointError, match="attribute"):
        load_attributes("parser")


def test_scores_come_back_on_their_own_scale() -> None:
    torch.manual_seed(0)
    network = AttributeNetwork(SIZES).eval()
    images = torch.randn(2, 3, 48, 48)
    plain = network.standardised(images)
    expected = plain * torch.tensor([0.1, 0.2]) + torch.tensor([0.5, 0.3])
    assert torch.allclose(network(images), expected)
    with pytest.raises(ValueError, match="deviation"):
        AttributeNetwork(AttributesConfig(("smile",), (), ()))
