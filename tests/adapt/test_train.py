"""The recipe style: two steps, resumed to the bit; each phase trains what it should alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from adapt_cases import generator_file, prepared_folder

from portraiture.adapt.images import open_style_images, pack_images, unpack_images
from portraiture.adapt.settings import NAIVE, STYLE
from portraiture.adapt.style import load_style
from portraiture.adapt.train import TrainStyle
from portraiture.cli.choices import Choices
from portraiture.cli.recipes import make_recipe
from portraiture.cli.training import train
from portraiture.errors import TrainingError
from portraiture.train.distributed import World
from portraiture.train.log import read_log
from portraiture.train.loop import Outcome
from portraiture.train.pace import Pace
from portraiture.train.rng import step_rng


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared_folder(tmp_path_factory.mktemp("style") / "prepared")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generator_file(tmp_path_factory.mktemp("generator"))


class Hundred(Pace):
    """A hundred seconds are left, of one step each."""

    @property
    def left(self) -> float:
        return 100.0

    def steps_in(self, seconds: float, *, since: int = 0) -> int:
        return int(seconds)


def run(data: Path, start: Path, out: Path, **options: Any) -> Outcome:
    choices = Choices("tiny", data, start=start, **options)
    outcome = train("style", choices, out=out, device="cpu")
    assert isinstance(outcome, Outcome)
    return outcome


def recipe_of(data: Path, start: Path, **changes: Any) -> TrainStyle:
    made = make_recipe("style", Choices("tiny", data, start=start))
    assert isinstance(made, TrainStyle)
    made.config = replace(made.config, **changes)
    return made


def test_two_steps_write_a_style_that_loads(data: Path, start: Path, tmp_path: Path) -> None:
    outcome = run(data, start, tmp_path)
    assert outcome.finished and outcome.state.step == 2
    first, second = read_log(tmp_path / "log.jsonl")
    assert {"loss_g", "background", "similarity", "delta", "density", "r1"} < first.keys()
    assert {"warp_g", "bending", "displacement", "identity", "loss_d"} < second.keys()
    style = load_style(tmp_path / "networks" / "style.safetensors")
    changes = {name: float(style.change(name).abs().max()) for name in style.names}
    assert all(value > 0 for value in changes.values()), changes
    assert abs(style.config.yaw[0]) < 1e-6 and style.config.yaw[1] > 0.1
    assert float(style.warp.out.weight.abs().max()) > 0


def test_a_run_in_two_parts_ends_with_the_same_bits(
    data: Path, start: Path, tmp_path: Path
) -> None:
    """Interrupted within each phase."""
    whole = run(data, start, tmp_path / "a", steps=3).state
    for steps in (1, 2, 3):
        parts = run(data, start, tmp_path / "b", steps=steps).state
    for kind in ("models", "averages"):
        for name, network in getattr(whole, kind).items():
            other = getattr(parts, kind)[name].state_dict()
            for key, value in network.state_dict().items():
                assert torch.equal(value, other[key]), f"{name}.{key}"


def test_each_phase_trains_its_own_weights(data: Path, start: Path) -> None:
    made = recipe_of(data, start, warp_from=1)
    torch.manual_seed(0)
    state = made.build(World())
    frozen = {k: v.clone() for k, v in made.source.state_dict().items()}
    warp = [p.clone() for p in state.models["warp"].parameters()]
    world, trained = World(), set(state.averages["style"].names)  # type: ignore[arg-type]
    batch = made.batch(0, 4, torch.Generator().manual_seed(0))
    made.step(state, batch, step_rng(0, 0, 0, world.device), world)
    for name, value in state.models["generator"].state_dict().items():
        assert torch.equal(value, frozen[name]) == (name not in trained), name
    assert torch.equal(warp[0], next(state.models["warp"].parameters()))
    state.step = 1
    made.step(state, batch, step_rng(0, 1, 0, world.device), world)
    before = {k: v.clone() for k, v in state.models["generator"].state_dict().items()}
    state.step = 2
    made.step(state, batch, step_rng(0, 2, 0, world.device), world)
    for name, value in state.models["generator"].state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not torch.equal(warp[0], next(state.models["warp"].parameters()))
    assert all(torch.equal(v, frozen[k]) for k, v in made.source.state_dict().items())


def test_density_regularisation_counts_what_exceeds_the_source(data: Path, start: Path) -> None:
    """A copy of G_s has none; one of twice the contrast has that of G_s once more."""
    made = recipe_of(data, start)
    torch.manual_seed(0)
    state = made.build(World())
    network, z = state.models["generator"], torch.randn(2, 8)

    def variation() -> float:
        rng = step_rng(0, 0, 0, World().device)
        return float(made._variation(network, z, rng, World()).detach())  # type: ignore[arg-type]

    assert variation() == 0.0
    made.config = replace(made.config, density_excess=False)
    plain = variation()
    with torch.no_grad():
        network.decoder.net[2].weight[0] *= 2.0  # type: ignore[index]
    assert abs(variation() / plain - 2.0) < 1e-4
    made.config = replace(made.config, density_excess=True)
    assert abs(variation() / plain - 1.0) < 1e-4


def test_ablations_leave_out_what_they_say(data: Path, start: Path, tmp_path: Path) -> None:
    naive = STYLE["cpu"].without(NAIVE)
    assert naive.layers == "all" and not naive.aligned and naive.warp_from == naive.run.steps
    assert not naive.delta_weight and not naive.background_weight and not naive.similarity_weight
    assert naive.density_weight == 0.25  # EG3D's own
    run(data, start, tmp_path / "a", without=("warp", "similarity", "delta", "density"))
    rows = read_log(tmp_path / "a" / "log.jsonl")
    assert all(not {"warp_g", "similarity", "delta"} & row.keys() for row in rows)
    run(data, start, tmp_path / "b", without=("alignment", "link", "unconditional"))
    style = load_style(tmp_path / "b" / "networks" / "style.safetensors")
    assert style.config.layers == "all" and style.config.yaw[1] > 0.3


def test_the_schedule_fits_the_time(data: Path, start: Path) -> None:
    made = recipe_of(data, start, warp_from=80, neural_from=60, warp_share=0.25)
    pace = Hundred(0.0)
    pace.total = 100.0
    made.fit_time(10, pace)
    assert made.config.warp_from == 85 and made.config.run.steps == 110
    made.fit_time(90, pace)
    assert made.config.warp_from == 85 and made.config.run.steps == 190


def test_images_keep_their_cameras_when_packed(data: Path, tmp_path: Path) -> None:
    room = sum(p.stat().st_size + 200 for p in sorted(data.glob("*.webp"))[:4])
    room += (data / "cameras.json").stat().st_size
    assert pack_images(data, tmp_path / "images.zip", limit_bytes=room) == 4
    assert unpack_images(tmp_path / "images.zip", tmp_path / "out") == 4
    images = open_style_images(tmp_path / "out", size=64, mirror=False)
    whole = open_style_images(data, size=64, mirror=False)
    assert images.cameras.angles == whole.cameras.angles[:4]
    pixels, own, drawn = images.batch(0, 4, torch.Generator().manual_seed(0))
    assert pixels.shape == (4, 3, 64, 64) and own.shape == drawn.shape == (4, 25)
    assert len(own.unique(dim=0)) == 4


def test_folders_that_are_not_prepared_are_refused(start: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="adapt prepare"):
        make_recipe("style", Choices("tiny", tmp_path, start=start))
