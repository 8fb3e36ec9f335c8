"""Going on from an older network whose w is laid out otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from people_cases import sphere_person

from portraiture.checkpoints import save_generator
from portraiture.cli.recipes import Choices, make_recipe
from portraiture.errors import TrainingError
from portraiture.generate.train.supervised_heads import SupervisedHeads
from portraiture.generate.train.supervised_presets import SUPERVISED
from portraiture.generate.train.warm_start import readers_of_w, take_over
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.people.latent import sample_latents
from portraiture.people.people_file import person_path, save_person
from portraiture.train.distributed import World
from portraiture.train.rng import generator, step_rng

TINY = SUPERVISED["tiny"].generator


def _network(seed: int, config: TriPlaneConfig = TINY) -> TriPlaneGenerator:
    torch.manual_seed(seed)
    network = TriPlaneGenerator(config)
    torch.nn.init.normal_(network.flow.basis, std=0.05)
    return network


def test_a_mapping_with_shuffled_numbers_gives_the_old_images() -> None:
    old, new = _network(0), _network(1)
    last = old.backbone.mapping.layers - 1
    shuffled = torch.randperm(TINY.w_dim)
    state = {k: v for k, v in old.state_dict().items() if k.startswith("backbone.mapping.")}
    for name in (f"fc{last}.weight", f"fc{last}.bias", "w_avg"):
        state["backbone.mapping." + name] = state["backbone.mapping." + name][shuffled]
    new.load_state_dict(new.state_dict() | state)
    z = torch.from_numpy(sample_latents(256, 3))
    with torch.no_grad():
        before = old.planes(old.mapping(z[:4], None))
        assert not torch.allclose(new.planes(new.mapping(z[:4], None)), before, atol=0.1)
        unknown = take_over(new, old, z)
        after = new.planes(new.mapping(z[:4], None))
    assert unknown < 1e-3
    assert (after - before).abs().max() < 0.02 * before.std()


def test_what_the_new_mapping_does_not_say_is_reported() -> None:
    old, new = _network(0), _network(1)
    with torch.no_grad():
        for parameter in new.backbone.mapping.parameters():
            parameter.zero_()
    assert take_over(new, old, torch.from_numpy(sample_latents(64, 3))) == pytest.approx(1.0)


def test_every_layer_that_reads_w_is_turned() -> None:
    network = _network(0)
    read = {id(layer.weight) for layer in readers_of_w(network)}
    for name, parameter in network.named_parameters():
        reads = parameter.ndim == 2 and parameter.shape[1] == TINY.w_dim
        inside = name.startswith(("backbone.mapping", "decoder"))
        assert (id(parameter) in read) == (reads and not inside), name


def test_a_run_goes_on_from_a_file_with_the_file_s_sizes(tmp_path: Path) -> None:
    for k in range(2):
        save_person(sphere_person(seed=k), person_path(tmp_path, k))
    wider = _network(0, TriPlaneConfig(**{**vars(TINY), "channel_max": 24, "mapping_layers": 2}))
    save_generator(wider, tmp_path / "start.safetensors")
    recipe = make_recipe(
        "supervised-heads", Choices("tiny", tmp_path, start=tmp_path / "start.safetensors")
    )
    assert isinstance(recipe, SupervisedHeads)
    assert recipe.config.generator.channel_max == 24
    assert recipe.config.generator.mapping_layers == TINY.mapping_layers
    assert recipe.config.coarse_steps == 0
    state = recipe.build(World())
    rng = step_rng(0, 0, 0, torch.device("cpu"))
    metrics = recipe.step(state, recipe.batch(0, 2, generator(0)), rng, World())
    assert float(metrics["start_unknown"]) > 0.0
    assert "flow_unknown" not in metrics
    learned = state.models["heads"].get_parameter("backbone.synthesis.b32.conv1.weight")
    begun = wider.backbone.synthesis.block(32).conv1.weight
    assert 0.0 < (learned - begun).abs().max() < 1e-4


def test_generators_of_other_latents_are_refused(tmp_path: Path) -> None:
    other = TriPlaneGenerator(TriPlaneConfig(**{**vars(TINY), "z_dim": 32, "choice_groups": ()}))
    save_generator(other, tmp_path / "other.safetensors")
    with pytest.raises(TrainingError, match="of its own"):
        make_recipe(
            "supervised-heads", Choices("tiny", tmp_path, start=tmp_path / "other.safetensors")
        )
    with pytest.raises(TrainingError, match="--start"):
        make_recipe("parser", Choices("tiny", tmp_path, start="heads"))


def test_a_network_with_other_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="other layers"):
        take_over(
            _network(0),
            _network(1, TriPlaneConfig(**{**vars(TINY), "channel_max": 24})),
            torch.from_numpy(sample_latents(64, 3)),
        )


def test_polishing_keeps_what_w_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mapping, flow and mean w stay to the bit, also in the average; planes and colours learn."""
    tiny = replace(SUPERVISED["tiny"], keep_mapping=True)
    monkeypatch.setitem(SUPERVISED, "polish", tiny)
    for k in range(2):
        save_person(sphere_person(seed=k), person_path(tmp_path, k))
    start = _network(0, replace(TINY, mapping_layers=2))
    save_generator(start, tmp_path / "start.safetensors")
    recipe = make_recipe(
        "supervised-heads", Choices("polish", tmp_path, start=tmp_path / "start.safetensors")
    )
    state = recipe.build(World())
    for step in range(2):
        state.step = step
        rng = step_rng(0, step, 0, torch.device("cpu"))
        recipe.step(state, recipe.batch(step, 2, generator(step)), rng, World())
    before = start.state_dict()
    for network in (state.models["heads"], state.averages["heads"]):
        moved = {
            name for name, value in network.state_dict().items()
            if not torch.equal(value, before[name])
        }  # fmt: skip
        assert "decoder.net.0.weight" in moved
        assert not any(name.startswith(("backbone.mapping", "flow")) for name in moved)
    with pytest.raises(TrainingError, match="--start"):
        make_recipe("supervised-heads", Choices("polish", tmp_path))
