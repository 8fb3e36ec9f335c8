"""Schedules that end with the time, on a clock of our own."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import pytest

from portraiture.generate.train.supervised_heads import FINISH_SHARE, SupervisedHeads
from portraiture.generate.train.supervised_presets import SUPERVISED
from portraiture.train.loop import RunConfig
from portraiture.train.pace import Pace, fit_schedule


class Clock:
    now = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def test_the_mean_leaves_out_the_first_row(clock: Clock) -> None:
    pace = Pace(1000.0)
    for step, now in ((0, 100.0), (10, 200.0), (20, 205.0), (30, 210.0)):
        clock.now = now
        pace.mark(step)
    assert pace.left == 790.0
    assert pace.steps_in(50.0) == 100
    assert pace.steps_in(0.0) == 1


@dataclass(frozen=True)
class Settings:
    run: RunConfig
    decay_steps: int = 400
    levels_from: tuple[int, int] = (0, 100)


class Other:
    """A recipe without a way of its own."""

    def __init__(self) -> None:
        self.config = Settings(RunConfig(steps=500, batch=1))


def test_lengths_follow_in_proportion(clock: Clock) -> None:
    recipe, pace = Other(), Pace(200.0)
    original = recipe.config
    pace.mark(0)
    clock.now += 10.0
    pace.mark(100)
    fit_schedule(recipe, original, 100, pace)
    assert recipe.config == Settings(RunConfig(steps=1000, batch=1), 800, (0, 200))


def test_heads_decay_until_superresolution_is_alone_and_all_ends_in_time(clock: Clock) -> None:
    recipe: Any = SupervisedHeads.__new__(SupervisedHeads)
    preset = SUPERVISED["gpu-polish"]
    recipe.config = replace(preset, run=replace(preset.run, steps=7, log_every=10))
    pace, begun, step = Pace(700.0), clock.now, 0
    pace.mark(0)
    alone = None
    while step < recipe.config.run.steps or step < 10:
        finishing = step >= recipe.config.finish_from
        if finishing and alone is None:
            alone = clock.now
            assert step == recipe.config.finish_from == recipe.config.decay_steps
        clock.now += 5.0 if step == 0 else 0.15 if finishing else 0.05
        step += 1
        if step % 10 == 0:
            pace.mark(step)
            fit_schedule(recipe, preset, step, pace)
    assert alone is not None
    assert clock.now == pytest.approx(700.0, abs=3.0)
    assert 700.0 - alone == pytest.approx(FINISH_SHARE * (700.0 - begun), abs=3.0)
    finished = recipe.config.finish_from + recipe.config.finish_steps
    assert finished == recipe.config.run.steps == step
