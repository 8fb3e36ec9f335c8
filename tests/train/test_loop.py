"""The loop, with a recipe small enough to know every number."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from portraiture.errors import TrainingError
from portraiture.media import read_image
from portraiture.train.distributed import World
from portraiture.train.ema import averaged_copy, update
from portraiture.train.grids import stack_rows, tile
from portraiture.train.log import Meter, open_log, read_log
from portraiture.train.loop import RunConfig, run_recipe, stop_signals, to_device
from portraiture.train.rng import StepRng, generator, seeds, step_rng
from portraiture.train.state import TrainState, checkpoints


@dataclass(frozen=True)
class ToyConfig:
    run: RunConfig
    rate: float = 0.1


@dataclass
class Toy:
    """Fits a line to noise; every source of random numbers takes part."""

    config: ToyConfig
    at_step: Callable[[int], None] = lambda step: None
    numbers: list[int] = field(default_factory=list)

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        network = nn.Linear(3, 1)
        return TrainState(
            {"net": network},
            {"net": averaged_copy(network)},
            {"adam": torch.optim.Adam(network.parameters(), lr=self.config.rate)},
            {"sum": 0.0},
        )

    def batch(self, number: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        self.numbers.append(number)
        return {"x": torch.randn(size, 3, generator=generator) + number}

    def step(
        self, state: TrainState, batch: dict[str, Tensor], rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        self.at_step(state.step)
        noise = torch.randn(len(batch["x"]), generator=rng.cpu)
        noise = noise + torch.rand((), generator=rng.device) + rng.numpy.normal() + torch.randn(())
        loss = (state.models["net"](batch["x"])[:, 0] - noise).square().mean()
        state.optimizers["adam"].zero_grad()
        loss.backward()
        state.optimizers["adam"].step()
        update(state.averages["net"], state.models["net"], 0.9)
        state.numbers["sum"] += float(loss.detach())
        return {"loss": loss, "step_before": float(state.step)}

    def grid(self, state: TrainState) -> np.ndarray:
        torch.randn(7)  # drawing here must not change the run
        return np.full((16, 16, 3), state.step, np.uint8)


def _toy(**run: int) -> Toy:
    defaults = {"steps": 9, "batch": 4, "log_every": 2, "grid_every": 4, "checkpoint_every": 3}
    return Toy(ToyConfig(RunConfig(**(defaults | run))))


def _run(recipe: Toy, out: Path, minutes: float | None = None) -> TrainState:
    return run_recipe(recipe, out, world=World(), minutes=minutes).state


def _same(a: TrainState, b: TrainState) -> bool:
    weights = (s.models["net"].state_dict() for s in (a, b))
    averages = (s.averages["net"].state_dict() for s in (a, b))
    equal = all(torch.equal(x[k], y[k]) for x, y in (tuple(weights), tuple(averages)) for k in x)
    return equal and a.numbers == b.numbers and a.step == b.step


def test_a_run_leaves_its_files_and_the_callers_generator_alone(tmp_path: Path) -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    state = _run(_toy(), tmp_path / "out")
    assert torch.equal(torch.get_rng_state(), before)
    rows = read_log(tmp_path / "out" / "log.jsonl")
    assert [row["step"] for row in rows] == [2, 3, 4, 6, 8, 9]
    assert [row["step_before"] for row in rows] == [0.5, 2, 3, 4.5, 6.5, 8]
    assert [row["images"] for row in rows] == [4 * int(row["step"] or 0) for row in rows]
    grids = sorted((tmp_path / "out" / "grids").iterdir())
    assert [p.stem for p in grids] == ["00000004", "00000008", "00000009"]
    assert read_image(grids[0])[0, 0, 0] == 4
    assert [p.stem for p in checkpoints(tmp_path / "out" / "checkpoints")] == [
        "step-00000006",
        "step-00000009",
    ]
    network = load_file(tmp_path / "out" / "networks" / "net.safetensors")
    assert torch.equal(network["weight"], state.averages["net"].get_parameter("weight"))


def test_interrupted_at_any_step_it_ends_the_same(tmp_path: Path) -> None:
    whole = _run(_toy(), tmp_path / "whole")
    for at in (0, 4, 7):
        recipe, out = _toy(), tmp_path / str(at)

        def interrupt(step: int, at: int = at) -> None:
            if step == at:
                os.kill(os.getpid(), signal.SIGTERM)

        recipe.at_step = interrupt
        outcome = run_recipe(recipe, out, world=World())
        assert not outcome.finished and outcome.state.step == at + 1
        assert _same(_run(_toy(), out), whole)
        rows = [row["step"] for row in read_log(out / "log.jsonl")]
        assert rows == sorted(set(rows)) and rows[-1] == 9


def test_an_error_in_a_step_loses_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    whole = _run(_toy(), tmp_path / "whole")

    def fail(step: int) -> None:
        if step == 5:
            raise RuntimeError("power cut")

    recipe = _toy()
    recipe.at_step = fail
    with pytest.raises(RuntimeError, match="power cut"):
        _run(recipe, tmp_path / "out")
    assert checkpoints(tmp_path / "out" / "checkpoints")[-1].stem == "step-00000003"
    assert [row["step"] for row in read_log(tmp_path / "out" / "log.jsonl")] == [2, 3, 4]
    again = _toy()
    assert _same(_run(again, tmp_path / "out"), whole)
    assert again.numbers[:6] == [3, 4, 5, 6, 7, 8]
    assert [r["step"] for r in read_log(tmp_path / "out" / "log.jsonl")] == [2, 3, 4, 6, 8, 9]


def test_a_finished_run_can_be_made_longer_and_a_time_limit_ends_it(tmp_path: Path) -> None:
    _run(_toy(steps=5), tmp_path / "out")
    assert _same(_run(_toy(steps=9), tmp_path / "out"), _run(_toy(), tmp_path / "whole"))
    assert _run(_toy(), tmp_path / "short", minutes=0.0).step == 1


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    _run(_toy(steps=1), tmp_path)
    with pytest.raises(TrainingError, match=r"batch was 4, not 8"):
        _run(_toy(batch=8), tmp_path)
    recipe = Toy(ToyConfig(_toy().run, rate=0.2))
    with pytest.raises(TrainingError, match=r"rate was 0\.1, not 0\.2"):
        _run(recipe, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be made"):
        _run(_toy(), tmp_path / "file" / "out")


def test_divergence_is_an_error_and_not_saved(tmp_path: Path) -> None:
    class Diverging(Toy):
        def step(self, *arguments: object) -> Mapping[str, float]:
            return {"loss": float("nan")}

    with pytest.raises(TrainingError, match="loss is nan at step 2"):
        _run(Diverging(_toy().config), tmp_path)
    assert not checkpoints(tmp_path / "checkpoints")


def test_batches_must_divide() -> None:
    with pytest.raises(TrainingError, match="shared by 3 processes"):
        RunConfig(steps=1, batch=4).share(World(0, 3))
    assert RunConfig(steps=1, batch=6).share(World(0, 3)) == 2


def test_draws_depend_on_seed_step_and_rank_alone() -> None:
    def numbers(seed: int, step: int, rank: int) -> tuple[float, ...]:
        rng = step_rng(seed, step, rank, torch.device("cpu"))
        torches = [float(torch.rand((), generator=g)) for g in (rng.cpu, rng.device)]
        return (*torches, rng.numpy.random(), float(torch.rand(())))

    with torch.random.fork_rng():
        first = numbers(1, 2, 0)
        assert first == numbers(1, 2, 0)
        others = [numbers(2, 2, 0), numbers(1, 3, 0), numbers(1, 2, 1)]
        assert len({x for n in (first, *others) for x in n}) == 16
    assert generator(1, 2).initial_seed() == seeds(1, 2)[0]


@pytest.fixture
def _listening() -> Iterator[None]:
    """SIGINT as in a terminal; a job in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_listening")
def test_signals_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before
    found: list[bool] = []

    def elsewhere() -> None:
        with stop_signals() as stop:
            found.append(stop.is_set())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [False]


def test_log_drops_rows_after_its_step_and_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "a": 2}\n{"step": 5, "a": 3}\n{"step": 6, "a"')
    with open_log(tmp_path, 1, World()) as log:
        log(2, {"a": 1 / 3, "b": float("inf")})
    with open_log(tmp_path, 9, World(rank=1, size=2)) as log:
        log(3, {"a": 4.0})
    assert read_log(path) == [{"step": 1, "a": 2}, {"step": 2, "a": 0.333333, "b": None}]


def test_meter_means_over_the_steps_that_have_a_metric() -> None:
    meter = Meter()
    for k in range(4):
        meter.add({"a": torch.tensor(float(k))} | ({"b": 7.0} if k == 2 else {}))
    assert meter.means(World()) == {"a": 1.5, "b": 7.0}
    assert meter.means(World()) == {}


class _Pair(NamedTuple):
    a: Tensor
    b: list[Tensor]


def test_batches_move_whatever_their_structure() -> None:
    batch = {"x": _Pair(torch.ones(1), [torch.zeros(2)]), "name": "n"}
    moved = to_device(batch, torch.device("meta"))
    assert isinstance(moved["x"], _Pair) and moved["name"] == "n"
    assert moved["x"].a.is_meta and moved["x"].b[0].is_meta


def test_grids() -> None:
    images = torch.stack([torch.full((3, 2, 2), v) for v in (-1.0, 0.0, 1.0)])
    grid = tile(images, columns=2)
    assert grid.shape == (4, 4, 3) and grid.dtype == np.uint8
    assert [int(grid[i, j, 0]) for i, j in ((0, 0), (0, 2), (2, 0), (2, 2))] == [0, 128, 255, 0]
    depth = tile(torch.full((1, 1, 2, 2), 2.5), columns=1, span=(2.0, 3.0))
    assert depth.shape == (2, 2, 3) and int(depth[0, 0, 0]) == 128
    assert stack_rows(grid, depth).shape == (6, 4, 3)
    grown = tile(images, columns=3, side=4)
    assert grown.shape == (4, 12, 3) and set(grown[:, 4:8].ravel()) == {128}
    assert tile(images, columns=3, side=1)[0, :, 0].tolist() == [0, 128, 255]
