from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from patch_features import Blocks

from portraiture.lift.estimate import lift
from portraiture.lift.networks import LiftedNetworks
from portraiture.lift.presets import LIFTED
from portraiture.lift.train import LiftTraining, TrainLifted
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.perception.identity import IdentityConfig, IdentityNetwork
from portraiture.train.distributed import World
from portraiture.train.loop import Watch, run_recipe
from portraiture.train.rng import step_rng
from portraiture.train.state import TrainState

SIZE = 32


def recipe(**changes: float) -> TrainLifted:
    torch.manual_seed(0)
    faces = FacesGenerator(FacesConfig(size=SIZE, channel_base=256, z_dim=16, w_dim=16)).eval()
    identity = IdentityNetwork(IdentityConfig(width=4, neck=8, embedding=8, size=32)).eval()
    config: LiftTraining = replace(LIFTED["tiny"], **changes)
    return TrainLifted(config, faces, Blocks(), identity)


def one_step(made: TrainLifted) -> tuple[TrainState, dict[str, float]]:
    state = made.build(World())
    batch = made.batch(0, 4, torch.Generator().manual_seed(0))
    losses = made.step(state, batch, step_rng(0, 0, 0, torch.device("cpu")), World())
    return state, {name: float(loss) for name, loss in losses.items()}


def test_sizes_are_the_generators() -> None:
    config = recipe().config
    assert (config.networks.size, config.networks.w_dim) == (SIZE, 16)
    assert config.networks.features == 8


def test_every_loss_is_there_and_weighs_what_the_config_says() -> None:
    _, once = one_step(recipe())
    assert set(once) == {
        "rec", "flip", "perturb", "codes", "rank", "idt", "style", "manipulated"
    }  # fmt: skip
    assert all(value > 0.0 for name, value in once.items() if name != "idt")
    _, twice = one_step(recipe(rec=10.0, rank=0.02))
    assert twice["rec"] == pytest.approx(2.0 * once["rec"], rel=1e-4)
    assert twice["flip"] == pytest.approx(2.0 * once["flip"], rel=1e-4)
    assert twice["rank"] == pytest.approx(2.0 * once["rank"], rel=1e-4)
    assert twice["codes"] == pytest.approx(once["codes"], rel=1e-4)


def test_the_second_pass_trains_the_manipulation_alone() -> None:
    made = recipe()
    state = made.build(World())
    networks = state.models["lifted"]
    assert isinstance(networks, LiftedNetworks)
    mean, _ = made.statistics(torch.device("cpu"))
    person = lift(made.faces, networks, made.codes(torch.randn(4, 16), mean))
    light, view = made.perturbed(person, step_rng(0, 0, 0, torch.device("cpu")))
    made.manipulated(networks, person, light, view).backward()
    moved = {
        name.split(".")[0] for name, p in networks.named_parameters() if p.grad is not None
        and p.grad.abs().max() > 0
    }  # fmt: skip
    assert moved == {"manipulation"}
    assert not light.requires_grad and not view.requires_grad


def test_the_first_pass_trains_all_networks_and_the_generator_stays() -> None:
    made = recipe()
    before = {k: v.clone() for k, v in made.faces.state_dict().items()}
    state, _ = one_step(made)
    fresh = dict(made.build(World()).models["lifted"].named_parameters())
    moved = {
        name.split(".")[0]
        for name, p in state.models["lifted"].named_parameters()
        if not torch.equal(p, fresh[name])
    }
    assert moved == {"light", "view", "depth", "transformation", "manipulation"}
    assert all(torch.equal(v, before[k]) for k, v in made.faces.state_dict().items())


def test_a_run_learns_to_show_its_people(tmp_path: Path) -> None:
    made = recipe()
    made.config = replace(
        made.config, run=replace(made.config.run, steps=40, log_every=1), learning_rate=2e-3
    )
    seen: list[float] = []
    watch = Watch(row=lambda step, values: seen.append(values["rec"]), board=False)
    outcome = run_recipe(made, tmp_path, world=World(), watch=watch)
    assert outcome.finished
    assert sum(seen[-5:]) < 0.8 * sum(seen[:5])
    assert (tmp_path / "networks" / "lifted.safetensors").is_file()
    assert any((tmp_path / "grids").iterdir())
