"""Parameter groups of the GOAE optimisers. Gates are learned factors that start at 0: what they
multiply has no effect until they have grown, so they learn faster."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

GATE_PARAMETER = "gates"
"""Name of the parameter that holds a network's gates."""
GATE_RATE = 20.0
"""Their learning rate relative to the other parameters'."""


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser, with the gates in a group of their own."""
    named = dict(network.named_parameters())
    gates = [named.pop(GATE_PARAMETER)] if GATE_PARAMETER in named else []
    groups = [(list(named.values()), 1.0), (gates, GATE_RATE)]
    return [{"params": part, "times": times} for part, times in groups if part]


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all groups, scaled by each group's factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("times", 1.0)
