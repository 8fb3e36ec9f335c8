"""Learned factors that begin at 0, and what they multiply, learn at different rates: a factor has
to come a long way before what it multiplies matters."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

GATES = "gates"
"""Name of the parameter that holds a network's factors."""
GATE_RATE = 20.0
"""Their learning rate, of all others'."""


def gated_groups(network: nn.Module) -> list[dict[str, Any]]:
    """A network's parameters for an optimiser, gates apart."""
    named = dict(network.named_parameters())
    gates = [named.pop(GATES)] if GATES in named else []
    groups = [(list(named.values()), 1.0), (gates, GATE_RATE)]
    return [{"params": part, "times": times} for part, times in groups if part]


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of all groups, times their factors."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("times", 1.0)
