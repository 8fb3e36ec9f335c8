from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from patch_features import Blocks
from PIL import Image

from portraiture.cli.commands import main
from portraiture.lift.estimate import lift
from portraiture.lift.networks import LiftedNetworks
from portraiture.lift.presets import LIFTED
from portraiture.lift.run import lift_source
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


def test_losses_are_left_out_as_in_the_papers_ablation() -> None:
    """Table 2: a loss that is left out is not there, and the others weigh as much as before."""
    _, whole = one_step(recipe())
    gone = {
        "flip": {"flip"}, "perturb": {"perturb", "codes", "style", "manipulated"}, "rank": {"rank"},
    }  # fmt: skip
    for loss, names in gone.items():
        config = LIFTED["tiny"].without([loss])  # type: ignore[list-item]
        made = recipe()
        made.config = config.fitting(made.faces)
        _, left = one_step(made)
        for name, value in whole.items():
            assert left[name] == (0.0 if name in names else pytest.approx(value, rel=1e-4)), loss
    assert LIFTED["tiny"].without(["identity"]).idt == 0.0


def test_animals_are_lifted_without_landmarks_and_identity(tmp_path: Path) -> None:
    """A folder of images is enough: a generator of them, its networks, a lifted animal."""
    rng = np.random.default_rng(0)
    (tmp_path / "animals").mkdir()
    for index in range(8):
        Image.fromarray(animal(rng)).save(tmp_path / "animals" / f"{index}.png")
    faces, lifted = tmp_path / "faces", tmp_path / "lifted"
    tiny = ["--preset", "tiny", "--device", "cpu"]
    main(
        [
            "train",
            "adversarial-faces",
            *tiny,
            "--data",
            str(tmp_path / "animals"),
            "--out",
            str(faces),
        ]
    )
    generator = str(faces / "networks" / "generator.safetensors")
    main(
        [
            "train",
            "lifted",
            *tiny,
            "--start",
            generator,
            "--without",
            "identity",
            "--out",
            str(lifted),
        ]
    )
    row = json.loads((lifted / "log.jsonl").read_text().splitlines()[-1])
    assert "rec" in row and "idt" not in row
    networks = str(lifted / "networks" / "lifted.safetensors")
    person = lift_source(1, networks=networks, generator=generator)
    assert torch.isfinite(person.render().image).all()


def animal(rng: np.random.Generator) -> np.ndarray:
    """A round head with two pointed ears, symmetric, lit from one side, on white."""
    y, x = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64), indexing="ij")
    wide, ear = rng.uniform(0.45, 0.7), rng.uniform(0.3, 0.6)
    head = (x / wide) ** 2 + ((y - 0.2) / 0.6) ** 2 < 1.0
    ears = (np.abs(np.abs(x) - 0.6 * wide) < 0.3 * (y + 0.3 + ear)) & (y < -0.1)
    fur = rng.uniform(0.2, 0.8, 3) * (1.0 + 0.3 * rng.uniform(-1.0, 1.0) * x)[..., None]
    image = np.where((head | ears)[..., None], fur, 1.0)
    eyes = (np.abs(x) - 0.4 * wide) ** 2 + y**2 < 0.01
    return (np.where(eyes[..., None], 0.05, image).clip(0.0, 1.0) * 255.0).astype(np.uint8)


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


@pytest.mark.slow
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
