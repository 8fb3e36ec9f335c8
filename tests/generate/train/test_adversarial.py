"""The adversarial recipes: two steps of each, their schedules, a killed run and two processes."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytest
import torch
from people_cases import sphere_person
from safetensors.torch import load_file

from portraiture.camera import EG3D_FOCAL, EG3D_RADIUS, orbit, to_eg3d
from portraiture.checkpoints import load_generator, load_image_generator, save_generator
from portraiture.cli.recipes import Choices, make_recipe
from portraiture.cli.training import Plan, train
from portraiture.errors import CheckpointError
from portraiture.generate.train.adversarial_faces import AdversarialFaces
from portraiture.generate.train.adversarial_heads import AdversarialHeads, blurred, schedule
from portraiture.generate.train.presets import FACES, HEADS
from portraiture.media import read_image, write_image
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.faces2d import FacesGenerator
from portraiture.people.people_file import person_path, save_person
from portraiture.train.adversary import Opponent
from portraiture.train.distributed import World
from portraiture.train.log import read_log
from portraiture.train.loop import Outcome
from portraiture.train.rng import step_rng
from portraiture.train.state import checkpoints
from portraiture.types import RecipeName

PROGRAM = Path(__file__).with_name("small_run.py")
TOGETHER = Path(__file__).with_name("two_processes.py")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    random_numbers, labels = np.random.default_rng(0), []
    for k in range(6):
        write_image(folder / f"{k}.png", random_numbers.integers(0, 256, (16, 16, 3), np.uint8))
        target = np.array([0.0, 0.0, 0.2])
        camera = orbit(0.2 * k - 0.5, 0.1, target=target, distance=EG3D_RADIUS, focal=EG3D_FOCAL)
        labels.append(f'["{k}.png", {to_eg3d(camera).tolist()}]')
    (folder / "dataset.json").write_text(f'{{"labels": [{", ".join(labels)}]}}')
    return folder


def _train(recipe: str, data: Path, out: Path, **options: Any) -> Outcome:
    choices = Choices("tiny", data, **options)
    outcome = train(cast(RecipeName, recipe), choices, out=out, device="cpu")
    assert isinstance(outcome, Outcome)
    return outcome


@pytest.mark.parametrize(
    ("recipe", "size"), [("adversarial-heads", 128), ("adversarial-faces", 16)]
)
def test_two_steps_change_every_weight(recipe: str, size: int, data: Path, tmp_path: Path) -> None:
    outcome = _train(recipe, data, tmp_path)
    assert outcome.finished and outcome.state.step == 2
    row, last = read_log(tmp_path / "log.jsonl")
    expected = {"loss_g", "loss_d", "r1", "score_real", "score_fake", "augment_p"}
    assert expected < row.keys() and "r1" not in last
    for network in outcome.state.models.values():
        for name, p in network.named_parameters():
            if name.startswith("superresolution") and name.endswith("noise_strength"):
                continue  # EG3D adds no noise there
            kinds = outcome.state.optimizers.values()
            moments = next(o.state[p] for o in kinds if p in o.state)
            assert moments["exp_avg_sq"].abs().sum() > 0, name
    assert read_image(tmp_path / "grids" / "00000002.png").shape[0] == 2 * size
    average = outcome.state.averages["generator"].state_dict()
    load = load_generator if recipe == "adversarial-heads" else load_image_generator
    saved = load(tmp_path / "networks" / "generator.safetensors").state_dict()
    assert all(torch.equal(saved[key], average[key]) for key in average)


def _last_step(out: Path) -> int:
    found = checkpoints(out / "checkpoints")
    return int(found[-1].stem.removeprefix("step-")) if found else 0


def test_a_killed_run_ends_with_the_same_bits(data: Path, tmp_path: Path) -> None:
    """SIGKILL at a moment that nobody chose, the run goes on, and a run that nobody disturbed."""
    killed, whole, wanted = tmp_path / "killed", tmp_path / "whole", random.randint(1, 5)
    command = [sys.executable, str(PROGRAM), str(data), str(killed), str(torch.get_num_threads())]
    process, limit = subprocess.Popen(command), time.monotonic() + 240
    while _last_step(killed) < wanted and time.monotonic() < limit and process.poll() is None:
        time.sleep(0.002)
    time.sleep(random.random() * 0.2)
    process.kill()
    assert process.wait() == -9
    at = _last_step(killed)
    assert at >= wanted
    for out in (killed, whole):
        _train("adversarial-faces", data, out, steps=at + 3)
    once, twice = (checkpoints(out / "checkpoints")[-1] for out in (whole, killed))
    assert once.name == twice.name and len(load_file(once)) > 100
    assert once.read_bytes() == twice.read_bytes(), f"killed after step {at}"


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["adversarial-faces", "supervised-heads"])
def test_two_processes_agree_and_share_the_batch(
    data: Path, tmp_path: Path, recipe: RecipeName
) -> None:
    if recipe == "supervised-heads":
        data = tmp_path / "people"
        data.mkdir()
        for index in range(4):
            save_person(sphere_person(seed=index), person_path(data, index))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, str(TOGETHER), recipe, str(data), str(tmp_path)]
    processes = [subprocess.Popen(command, env=shared | {"RANK": str(rank)}) for rank in (0, 1)]
    assert [p.wait(240) for p in processes] == [0, 0]
    rows = read_log(tmp_path / "log.jsonl")
    batch = make_recipe(recipe, Choices("tiny", data)).run.batch
    assert [row["images"] for row in rows] == [batch, 2 * batch, 3 * batch]


def test_published_settings() -> None:
    paper = HEADS["paper"]
    start, half, late = (schedule(paper, kimg * 1000.0) for kimg in (0, 500, 2000))
    assert (start.neural, start.swap, start.blur) == (64, 1.0, 10.0)
    assert (half.neural, half.swap, half.blur) == (96, 0.75, 0.0)
    assert (late.neural, late.swap) == (128, 0.5)
    assert schedule(paper, 100_000).blur == pytest.approx(5.0)
    assert paper.run.steps * paper.run.batch == 25_000_000
    rates = paper.adversary
    assert (rates.generator_lr, rates.discriminator_lr, rates.r1_gamma) == (0.0025, 0.002, 1.0)
    assert (rates.r1_every, rates.generator_every, rates.augment_target) == (16, 4, None)
    assert FACES["paper"].run.steps * FACES["paper"].run.batch == 25_000_000


def test_every_preset_fits_together() -> None:
    for heads in HEADS.values():
        assert heads.discriminator.size == heads.generator.image_size
        assert heads.discriminator.channels == 6 and heads.discriminator.c_dim == 25
    for faces in FACES.values():
        assert faces.discriminator.size == faces.generator.size
    for config in (*HEADS.values(), *FACES.values()):
        at_once = config.run.micro_batch or config.run.batch
        assert at_once % config.discriminator.group == 0 and config.run.batch % at_once == 0


def test_swapped_conditions_come_with_the_stated_probability() -> None:
    recipe = AdversarialHeads(HEADS["tiny"], data=None)  # type: ignore[arg-type]
    cameras = torch.arange(2000.0)[:, None].expand(-1, 25)
    now = replace(schedule(HEADS["tiny"], 0.0), swap=0.3)
    with torch.random.fork_rng():
        rng = step_rng(0, 0, 0, torch.device("cpu"))
    draft = recipe._draft(cameras, now, rng)
    assert sorted(draft.seen[:, 0].tolist()) == list(range(2000))
    differ = (draft.told != draft.seen).any(1)
    assert abs(float(differ.float().mean()) - 0.3) < 0.04
    assert torch.equal(draft.told[differ], draft.seen.roll(1, 0)[differ])


def test_blur_by_brute_force() -> None:
    x = torch.rand(1, 2, 7, 9, generator=torch.Generator().manual_seed(0))
    out, sigma, reach = blurred(x, 0.9), 0.9, 2
    taps = np.array([2.0 ** -((t / sigma) ** 2) for t in range(-reach, reach + 1)])
    taps /= taps.sum()
    wide = np.pad(x.numpy()[0], ((0, 0), (reach, reach), (reach, reach)))
    for c, i, j in ((0, 0, 0), (1, 3, 4), (0, 6, 8)):
        window = wide[c, i : i + 5, j : j + 5]
        assert np.isclose(float(out[0, c, i, j]), (window * np.outer(taps, taps)).sum(), atol=1e-6)
    assert torch.equal(blurred(x, 0.3), x)


def test_dry_run_writes_nothing(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "none"
    choices = Choices("tiny", data)
    plan = train("adversarial-heads", choices, out=out, dry_run=True, device="cpu")
    assert isinstance(plan, Plan) and not out.exists()
    assert ("starts at", "step 0") in plan.rows and plan.table().row_count > 40


def test_another_runs_generator_is_where_one_begins(data: Path, tmp_path: Path) -> None:
    """Its sizes replace the preset's, its weights are the first ones."""
    tiny = HEADS["tiny"].generator
    with torch.random.fork_rng():
        network = TriPlaneGenerator(replace(tiny, z_dim=9, neural_resolution=10))
    save_generator(network, tmp_path / "start.safetensors")
    choices = Choices("tiny", data, start=tmp_path / "start.safetensors")
    recipe = make_recipe("adversarial-heads", choices)
    assert recipe.config.generator.z_dim == 9 and recipe.config.neural_last == 10
    built = recipe.build(World()).models["generator"].state_dict()
    assert all(torch.equal(built[key], value) for key, value in network.state_dict().items())
    with pytest.raises(CheckpointError):
        make_recipe("adversarial-faces", choices)


@pytest.mark.parametrize("name", ["adversarial-faces", "adversarial-heads"])
def test_a_trained_generator_waits_for_its_discriminator(
    data: Path, tmp_path: Path, name: Literal["adversarial-faces", "adversarial-heads"]
) -> None:
    choices, world = Choices("tiny", data), World()
    with torch.random.fork_rng():
        fresh = make_recipe(name, choices).build(world).averages["generator"]
        assert isinstance(fresh, TriPlaneGenerator | FacesGenerator)
        save_generator(fresh, tmp_path / "start.safetensors")
        recipe = make_recipe(name, replace(choices, start=tmp_path / "start.safetensors"))
        state = recipe.build(world)
        begun, discriminator = (
            {k: v.detach().clone() for k, v in state.models[network].named_parameters()}
            for network in ("generator", "discriminator")
        )
        moved = []
        for step in range(2):
            rng = step_rng(0, step, 0, torch.device("cpu"))
            batch = recipe.batch(step, recipe.run.batch, torch.Generator().manual_seed(step))
            recipe.step(state, batch, rng, world)
            now = dict(state.models["generator"].named_parameters())
            moved.append(any(not torch.equal(now[k], v) for k, v in begun.items()))
            state.step += 1
    assert moved == [False, True]
    after = dict(state.models["discriminator"].named_parameters())
    assert any(not torch.equal(after[k], v) for k, v in discriminator.items())


def test_the_generator_learns_to_please(data: Path) -> None:
    """Against a discriminator that stands still, the generator's loss falls."""
    made = make_recipe("adversarial-faces", Choices("tiny", data))
    assert isinstance(made, AdversarialFaces)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = made.build(World())
        losses = []
        for step in range(40):
            rng = step_rng(0, step, 0, torch.device("cpu"))
            opponent = Opponent(state, made.config.adversary, made.run, rng, World())
            losses.append(float(made._improve(state, 8, opponent)["loss_g"]))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
