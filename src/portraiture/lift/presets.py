"""Presets of the recipe lifted."""

from __future__ import annotations

from portraiture.lift.networks import LiftConfig
from portraiture.lift.train import LiftTraining
from portraiture.train.loop import RunConfig
from portraiture.train.run_presets import TINY_RUN
from portraiture.types import Preset

LIFTED: dict[Preset, LiftTraining] = {
    "tiny": LiftTraining(
        run=TINY_RUN, networks=LiftConfig(width=32, hidden=16), mapped=64, grid_people=2
    ),
    "cpu": LiftTraining(
        run=RunConfig(steps=6_000, batch=4, log_every=50, grid_every=500, checkpoint_every=250),
        networks=LiftConfig(width=256, hidden=256),
        learning_rate=3e-4,
        final_rate=0.1,
        decay_steps=6_000,
    ),
    "gpu": LiftTraining(
        run=RunConfig(steps=12_000, batch=16, log_every=50, grid_every=1_000, checkpoint_every=500),
        networks=LiftConfig(width=256, hidden=512),
        learning_rate=3e-4,
        final_rate=0.1,
        decay_steps=12_000,
    ),
    "paper": LiftTraining(
        run=RunConfig(steps=50_000, batch=8, log_every=50, grid_every=1_000, checkpoint_every=500),
        networks=LiftConfig(),
    ),
}
"""Their side, w dimension and features are the generator's."""
