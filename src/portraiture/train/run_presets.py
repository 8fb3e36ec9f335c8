"""Shared by the presets of all recipes: the `tiny` run, and overrides of seed and length."""

from __future__ import annotations

from dataclasses import replace

from portraiture.train.loop import RunConfig

TINY_RUN = RunConfig(steps=2, batch=4, log_every=1, grid_every=2, checkpoint_every=1)


def seeded(run: RunConfig, *, seed: int | None, steps: int | None) -> RunConfig:
    """`run` with another seed or length, if given."""
    run = run if seed is None else replace(run, seed=seed)
    return run if steps is None else replace(run, steps=steps)
