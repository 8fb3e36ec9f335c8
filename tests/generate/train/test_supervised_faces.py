"""The supervised recipe for images on people that are balls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from people_cases import sphere_person

from portraiture.checkpoints import load_image_generator
from portraiture.cli.recipes import Choices, make_recipe
from portraiture.errors import TrainingError
from portraiture.generate.train.supervised_faces import SupervisedFaces
from portraiture.generate.train.supervised_presets import SUPERVISED_FACES
from portraiture.networks.faces2d import FacesGenerator
from portraiture.people.latent import CHOICE_GROUPS
from portraiture.people.people_file import person_path, save_person
from portraiture.people.people_set import PeopleSet
from portraiture.people.scene import IMAGE_LATENT_SIZE, SCENE_SIZE
from portraiture.train.distributed import World
from portraiture.train.log import read_log
from portraiture.train.loop import run_recipe
from portraiture.train.rng import generator, step_rng
from portraiture.train.state import TrainState

TINY = SUPERVISED_FACES["tiny"]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    folder.mkdir()
    for index in range(2):
        scenes = np.random.default_rng(index).standard_normal((2, SCENE_SIZE)).astype(np.float32)
        person = replace(sphere_person(seed=index), scenes=scenes)
        save_person(person, person_path(folder, index))
    return folder


@pytest.mark.slow
def test_learning_brings_the_images_nearer(people: Path) -> None:
    config = replace(TINY, run=replace(TINY.run, steps=60), learning_rate=0.02)
    recipe = SupervisedFaces(config, PeopleSet(people))
    state, first, last = recipe.build(World()), {}, {}
    for step in range(60):
        rng = step_rng(0, step, 0, torch.device("cpu"))
        last = recipe.step(state, recipe.batch(step, 2, generator(0, 0, step)), rng, World())
        first = first or last
        state.step += 1
    assert float(last["image"]) < 0.5 * float(first["image"])
    assert float(last["perceptual"]) < float(first["perceptual"])


def test_a_run_in_two_parts_is_a_run_in_one_and_can_be_loaded(people: Path, tmp_path: Path) -> None:
    def trained(out: Path, steps: int) -> TrainState:
        config = replace(TINY, run=replace(TINY.run, steps=steps))
        recipe = SupervisedFaces(config, PeopleSet(people))
        return run_recipe(recipe, out, world=World()).state

    whole, _ = trained(tmp_path / "a", 2), trained(tmp_path / "b", 1)
    state = trained(tmp_path / "b", 2)
    for name, tensor in whole.averages["generator"].state_dict().items():
        assert torch.equal(tensor, state.averages["generator"].state_dict()[name]), name
    assert read_log(tmp_path / "b" / "log.jsonl")[0]["parameters_unknown"] > 0.0
    loaded = load_image_generator(tmp_path / "b" / "networks" / "generator.safetensors")
    average = state.averages["generator"]
    assert isinstance(average, FacesGenerator)
    ws = torch.randn(1, loaded.num_ws, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(loaded.images(ws), average.images(ws), atol=1e-3)


def test_adversarial_faces_goes_on_from_it_on_the_same_folder(people: Path, tmp_path: Path) -> None:
    run_recipe(
        SupervisedFaces(replace(TINY, run=replace(TINY.run, steps=1)), PeopleSet(people)),
        tmp_path / "first", world=World(),
    )  # fmt: skip
    start = tmp_path / "first" / "networks" / "generator.safetensors"
    recipe = make_recipe("adversarial-faces", Choices("tiny", people, start=start))
    state = recipe.build(World())
    begun, start_weights = state.models["generator"], load_image_generator(start).state_dict()
    for name, tensor in begun.state_dict().items():
        assert torch.equal(tensor, start_weights[name]), name
    state.step = recipe.run.steps - 1
    rng = step_rng(0, state.step, 0, torch.device("cpu"))
    losses = recipe.step(state, recipe.batch(0, 2, generator(0)), rng, World())
    assert np.isfinite(float(losses["loss_g"]))


@pytest.mark.parametrize("preset", ["cpu", "gpu"])
def test_presets_make_images_of_whole_scenes(preset: Literal["cpu", "gpu"]) -> None:
    config = SUPERVISED_FACES[preset].generator
    assert (config.z_dim, config.choice_groups) == (IMAGE_LATENT_SIZE, CHOICE_GROUPS)
    with torch.device("meta"):
        network = FacesGenerator(config)
        image = network.images(torch.zeros(1, network.num_ws, config.w_dim))
    assert image.shape == (1, 3, config.size, config.size)


def test_folders_of_the_other_kind_are_refused(people: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--kind latents"):
        make_recipe("supervised-heads", Choices("tiny", people))
    with pytest.raises(TrainingError, match=r"32 pixels, .* --size 128"):
        make_recipe("supervised-faces", Choices("cpu", people))
    with pytest.raises(TrainingError, match="random weights"):
        make_recipe("supervised-faces", Choices("tiny", people, start="heads"))
    save_person(sphere_person(seed=0), person_path(tmp_path, 0))
    with pytest.raises(TrainingError, match="--kind scenes"):
        make_recipe("supervised-faces", Choices("tiny", tmp_path))
