"""The supervised recipe on people that are balls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from people_cases import sphere_person

from portraiture.checkpoints import load_generator
from portraiture.cli.recipes import Choices, make_recipe
from portraiture.engine.parameters import CONTINUOUS, DISCRETE
from portraiture.engine.shapes import SHAPES
from portraiture.errors import TrainingError
from portraiture.generate.train.pretrain_mapping import (
    CHOICE_WEIGHT,
    IDENTITY_GAIN,
    describe_people,
    number_weights,
    pretrain_mapping,
    start_as_identity,
)
from portraiture.generate.train.supervised_heads import SupervisedConfig, SupervisedHeads
from portraiture.generate.train.supervised_presets import SUPERVISED
from portraiture.networks.deferred import deferred_features
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.stylegan2 import Mapping
from portraiture.people.latent import CHOICE_GROUPS, LATENT_SIZE, sample_latents
from portraiture.people.people_file import person_path, save_person
from portraiture.people.people_set import PeopleSet
from portraiture.train.density import _densest
from portraiture.train.distributed import World
from portraiture.train.log import read_log
from portraiture.train.loop import RunConfig, run_recipe
from portraiture.train.patches import (
    EDGE_PIXELS,
    along_points,
    cut_patch,
    patch_camera,
)
from portraiture.train.rng import generator, step_rng
from portraiture.train.state import TrainState
from portraiture.train.truth_config import TruthConfig
from portraiture.triplane.rendering import RenderingConfig
from portraiture.triplane.sampling import make_rays

CONFIG = SupervisedConfig(
    run=RunConfig(steps=80, batch=2),
    generator=TriPlaneConfig(
        z_dim=LATENT_SIZE,
        c_dim=0,
        w_dim=16,
        choice_groups=CHOICE_GROUPS,
        plane_size=32,
        plane_features=8,
        first_size=16,
        channel_base=512,
        channel_max=32,
        decoder_hidden=16,
        superresolution="2X",
        superres_widths=(8, 8),
        rendering=RenderingConfig(
            box_warp=0.9,
            depth_resolution=12,
            importance_resolution=12,
            white_background=True,
            plane_axes="fixed",
        ),
    ),
    pretrain_steps=0,
    coarse_steps=40,
    learning_rate=0.01,
    truth=TruthConfig(
        coarse_points=128, patch=8, rays=32, ray_samples=8, surface_points=128, empty_points=64
    ),
    grid_people=2,
)


def _recipe(folder: Path) -> SupervisedHeads:
    for index in range(2):
        save_person(sphere_person(seed=index), person_path(folder, index))
    return SupervisedHeads(CONFIG, PeopleSet(folder))


def test_learning_brings_every_loss_down_and_finds_the_ball(tmp_path: Path) -> None:
    recipe, world = _recipe(tmp_path), World()
    torch.manual_seed(0)
    state = recipe.build(world)
    history = []
    for step in range(CONFIG.run.steps):
        batch = recipe.batch(step, 2, generator(0, 0, step))
        history.append(recipe.step(state, batch, step_rng(0, step, 0, world.device), world))
        state.step += 1
    for name, share in (("raw", 0.7), ("solid", 0.7), ("rays", 0.95)):
        assert float(history[-1][name]) < share * float(history[1][name]), name
    assert set(history[-1]) == {"empty", "solid", "rays", "raw", "image", "perceptual"}
    assert "image" not in history[CONFIG.coarse_steps - 1]
    network = state.models["heads"]
    assert isinstance(network, TriPlaneGenerator)
    with torch.no_grad():
        ws = network.mapping(batch.z, None)
        points = torch.tensor([[[0.0, 0.0, 0.18], [0.0, 0.0, 0.3], [0.3, 0.3, 0.0]]] * 2)
        density = network.density(points, ws)
    assert (density[:, 0] > density[:, 1] + 1).all()
    assert (density[:, 0] > density[:, 2] + 1).all()
    assert recipe.grid(state).shape == (4 * 32, 2 * 32, 3)


def test_deferred_features_are_what_a_surface_of_infinite_density_shows(tmp_path: Path) -> None:
    """Volume rendering with the ball's own density and the network's colours, by brute force."""
    recipe = _recipe(tmp_path)
    torch.manual_seed(1)
    network = TriPlaneGenerator(CONFIG.generator)
    batch = recipe.data.example(0, 0)
    rays = make_rays(batch.camera, 16)
    with torch.no_grad():
        planes = network.planes(network.mapping(batch.z, None))
        features = deferred_features(network, planes, batch.depth, batch.alpha, rays)
        origins, directions = rays
        steps = torch.linspace(2.3, 2.9, 1201)
        points = origins[0, :, None] + steps[None, :, None] * directions[0, :, None]
        hit = (points.norm(dim=-1) < 0.22).float().argmax(1)
        first = points[torch.arange(256), hit]
        color, _ = network.query(planes, first[None])
    solid = batch.solid.flatten() > 0
    shown = features.flatten(2)[0].T[solid]
    assert (shown - (2 * color[0][solid] - 1)).abs().max() < 0.05
    nothing = batch.alpha.flatten() == 0
    assert (features.flatten(2)[0].T[nothing] == 1.0).all()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_tiny_preset_learns_goes_on_and_can_be_loaded(
    tmp_path: Path, precision: Literal["fp32", "bf16"]
) -> None:
    """One coarse and one fine step, in one go and in two, and the generator that is left."""
    (tmp_path / "people").mkdir()
    for index in range(2):
        save_person(sphere_person(seed=index), person_path(tmp_path / "people", index))
    tiny = SUPERVISED["tiny"]
    tiny = replace(tiny, run=replace(tiny.run, precision=precision))

    def trained(out: Path, steps: int) -> TrainState:
        config = replace(tiny, run=replace(tiny.run, steps=steps))
        recipe = SupervisedHeads(config, PeopleSet(tmp_path / "people"))
        return run_recipe(recipe, out, world=World()).state

    whole, _ = trained(tmp_path / "a", 2), trained(tmp_path / "b", 1)
    state = trained(tmp_path / "b", 2)
    for name, tensor in whole.averages["heads"].state_dict().items():
        assert torch.equal(tensor, state.averages["heads"].state_dict()[name]), name
    first = read_log(tmp_path / "b" / "log.jsonl")[0]
    assert 0 < first["flow_unknown"] != 1.0 and first["parameters_unknown"] > 0
    average = state.averages["heads"]
    assert isinstance(average, TriPlaneGenerator) and average.flow.basis.abs().sum() > 0
    loaded = load_generator(tmp_path / "b" / "networks" / "heads.safetensors")
    ws = torch.randn(1, loaded.num_ws, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(loaded.planes(ws), average.planes(ws), atol=1e-3)


def test_a_patch_s_camera_sees_what_the_whole_image_shows_there(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path)
    torch.manual_seed(5)
    network = TriPlaneGenerator(recipe.config.generator).eval()
    batch = recipe.batch(0, 2, generator(0))
    top, left, side, n = 3, 5, 8, 16
    with torch.no_grad():
        planes = 3.0 * network.planes(network.mapping(batch.z, None))
        whole = network.render(planes, batch.camera, resolution=n, deterministic=True)
        cut = patch_camera(batch.camera, top, left, side, n)
        part = network.render(planes, cut, resolution=side, deterministic=True)
    expected = whole.features[:, :, top : top + side, left : left + side]
    assert expected.std() > 0.01
    assert (part.features - expected).abs().max() < 1e-4


def test_the_densest_of_what_should_be_empty_is_asked_to_be(tmp_path: Path) -> None:
    save_person(sphere_person(seed=0), person_path(tmp_path, 0))
    truth = replace(CONFIG.truth, empty_points=16, empty_tries=8)
    recipe = SupervisedHeads(CONFIG, PeopleSet(tmp_path))
    network = TriPlaneGenerator(CONFIG.generator)
    batch = recipe.batch(0, 1, generator(0))
    rays = make_rays(batch.camera, batch.depth.shape[-1])
    rng = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, rays[0].shape[1], (1, 128), generator=rng)
    depth = 2.3 + torch.rand(1, 128, generator=rng)
    with torch.no_grad():
        planes = 3.0 * network.planes(network.mapping(batch.z, None))
        every = network.query(planes, along_points(rays, pixels, depth))[1][0]
        found = _densest(network, planes, rays, (pixels, depth), truth)
        densest = network.query(planes, along_points(rays, *found))[1][0]
    assert torch.allclose(densest.sort().values, every.sort().values[-16:], atol=1e-5)
    assert every.std() > 1e-3
    same = _densest(network, planes, rays, (pixels, depth), replace(truth, empty_tries=1))
    assert torch.equal(same[1], depth)


def test_in_the_end_superresolution_alone_learns_from_what_is_rendered(tmp_path: Path) -> None:
    (tmp_path / "people").mkdir()
    for index in range(2):
        save_person(sphere_person(seed=index), person_path(tmp_path / "people", index))
    tiny = SUPERVISED["tiny"]

    def trained(out: Path, steps: int) -> TrainState:
        config = replace(tiny, run=replace(tiny.run, steps=steps))
        recipe = SupervisedHeads(config, PeopleSet(tmp_path / "people"))
        return run_recipe(recipe, out, world=World()).state

    before = trained(tmp_path / "a", tiny.finish_from).averages["heads"].state_dict()
    state = trained(tmp_path / "a", tiny.finish_from + 2)
    after = state.models["heads"].state_dict()
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert moved
    assert all(name.startswith("superresolution.") for name in moved)
    whole = trained(tmp_path / "b", tiny.finish_from + 2)
    for name, tensor in whole.averages["heads"].state_dict().items():
        assert torch.equal(tensor, state.averages["heads"].state_dict()[name]), name
    row = read_log(tmp_path / "a" / "log.jsonl")[-1]
    assert {"image", "perceptual"} <= row.keys() and "rays" not in row


@pytest.mark.slow
def test_a_pretrained_mapping_predicts_held_out_people() -> None:
    torch.manual_seed(2)
    mapping = Mapping(LATENT_SIZE, 0, 288, 1, layers=3, choice_groups=CHOICE_GROUPS)
    untrained, _ = pretrain_mapping(mapping, people=1600, steps=0)
    assert 0.15 < untrained < 0.25
    assert pretrain_mapping(mapping, people=1600, steps=200)[0] < 0.7 * untrained


def test_a_mapping_passes_its_input_on() -> None:
    """What goes in can be taken out of w by a sum of two units, as leaky ReLUs let through."""
    mapping = Mapping(10, 0, 24, 1, layers=3)
    start_as_identity(mapping)
    z = torch.randn(30, 10, generator=torch.Generator().manual_seed(1))
    z = z / z.square().mean(1, keepdim=True).sqrt()
    w = mapping(z, None)[:, 0]
    gain = 1.2 * 2**0.5
    assert torch.allclose(
        w[:, :10] - w[:, 10:20], gain * (IDENTITY_GAIN * gain) ** 2 * z, atol=1e-4
    )
    narrow = Mapping(10, 0, 7, 1, layers=2)
    start_as_identity(narrow)
    w = narrow(z, None)[:, 0]
    assert torch.allclose(w[:, :3] - w[:, 3:6], gain * IDENTITY_GAIN * gain * z[:, :3], atol=1e-4)


def test_pretraining_weighs_colours_and_choices() -> None:
    """Its weights line up with the numbers: a choice is one-hot, a one a kind."""
    numbers = describe_people(torch.from_numpy(sample_latents(20, 4)))
    weights = number_weights(LATENT_SIZE)
    assert weights.shape == numbers.shape[1:]
    assert list(CONTINUOUS)[int(weights.argmax())] == "skin_melanin"
    first = len(CONTINUOUS) + len(SHAPES)
    choices = numbers[:, first : first + sum(map(len, DISCRETE.values()))]
    assert (weights[first : first + choices.shape[1]] == CHOICE_WEIGHT).all()
    assert ((choices == 0) | (choices == 1)).all()
    assert (choices.sum(1) == len(DISCRETE)).all()


def test_presets_name_what_they_can_build() -> None:
    tiny = SUPERVISED["tiny"]
    assert TriPlaneGenerator(tiny.generator).num_ws == 6
    for config in SUPERVISED.values():
        assert config.generator.z_dim == LATENT_SIZE
        assert config.truth.patch <= config.generator.neural_resolution
        assert config.coarse_steps <= config.run.steps


def test_recipes_refuse_what_they_have_no_use_for(tmp_path: Path) -> None:
    save_person(sphere_person(seed=0), person_path(tmp_path, 0))
    with pytest.raises(TrainingError, match="no preset 'paper'"):
        make_recipe("supervised-heads", Choices("paper", tmp_path))
    with pytest.raises(TrainingError, match="person_"):
        make_recipe("supervised-heads", Choices("tiny", tmp_path / "none"))
    with pytest.raises(TrainingError, match=r"32 pixels, .* --size 256"):
        make_recipe("supervised-heads", Choices("cpu", tmp_path))


def test_cut_edges_of_a_patch_do_not_count_but_the_images_do(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path)
    batch = recipe.data.example(0, 0)
    rays = make_rays(batch.camera, 16)
    part, (origins, directions) = cut_patch(batch, rays, 0, 4, 12)
    counted = part.weight[0, 0] > 0
    assert counted.shape == (24, 24)
    assert counted[: 24 - EDGE_PIXELS, EDGE_PIXELS:].all()
    assert not counted[24 - EDGE_PIXELS :].any()
    assert not counted[:, :EDGE_PIXELS].any()
    assert torch.equal(part.image, batch.image[..., :24, 8:])
    grid = directions.view(12, 12, 3)
    assert torch.equal(grid, rays[1].view(16, 16, 3)[:12, 4:])
    assert origins.shape == (1, 144, 3)
