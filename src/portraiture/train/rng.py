"""Random numbers of a training step, as functions of (seed, step, process).

A resumed run samples at step k exactly the numbers of an uninterrupted one; that is one half of a
bit-exact resume (the other is `train.state`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

DATA, STEP, BUILD = 0, 1, 2
"""Independent streams: batches, steps, initial weights."""


@dataclass(frozen=True)
class StepRng:
    """cpu, device: torch generators (separate streams even if the device is the CPU). numpy: a
    generator for numpy."""

    cpu: torch.Generator
    device: torch.Generator
    numpy: np.random.Generator


def seeds(*key: int) -> list[int]:
    """Four independent 63-bit seeds of a tuple of non-negative integers."""
    return [int(s >> np.uint64(1)) for s in np.random.SeedSequence(key).generate_state(4, "u8")]


def generator(*key: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator that depends only on `key`."""
    return torch.Generator(device).manual_seed(seeds(*key)[0])


def step_rng(seed: int, step: int, rank: int, device: torch.device) -> StepRng:
    """Generators of one step on one process. Also seeds torch's global generator, which layers with
    random noise use."""
    first, second, third, fourth = seeds(seed, STEP, step, rank)
    torch.manual_seed(fourth)
    return StepRng(
        cpu=torch.Generator().manual_seed(first),
        device=torch.Generator(device).manual_seed(second),
        numpy=np.random.default_rng(third),
    )
