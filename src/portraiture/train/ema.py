"""Exponential moving averages of weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


def averaged_copy(network: nn.Module) -> nn.Module:
    """A copy for averaging, without gradients, in evaluation mode."""
    return copy.deepcopy(network).eval().requires_grad_(False)


def decay(batch: int, images: float, *, half_life: float, ramp: float | None = 0.05) -> float:
    """The EMA factor of one step (Karras et al. 2020b): 0.5 ** (batch / half-life).

    batch: images per step. images: seen so far. half_life: in images. ramp: maximum half-life as a
    fraction of the images seen, so that early weights are soon forgotten; None for no maximum.
    """
    if ramp is not None:
        half_life = min(half_life, images * ramp)
    return 0.5 ** (batch / max(half_life, 1e-8))


@torch.no_grad()
def update(average: nn.Module, network: nn.Module, beta: float) -> None:
    """average ← beta · average + (1 - beta) · network; buffers are copied."""
    for a, b in zip(average.parameters(), network.parameters(), strict=True):
        a.lerp_(b, 1.0 - beta)
    for a, b in zip(average.buffers(), network.buffers(), strict=True):
        a.copy_(b)
