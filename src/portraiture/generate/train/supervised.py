"""What the supervised recipes share: a mapping taught by the first process, a calm start, rates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from portraiture.networks.stylegan2 import Mapping as MappingNetwork
from portraiture.networks.stylegan2 import ToRGB
from portraiture.train.distributed import World, mean_over_processes, share_weights
from portraiture.train.lr_schedule import annealed

MAPPING_RATE = 2.0
"""The mapping's learning rate over that of all else; its layers multiply it by 0.01."""

WARMUP = 100
"""Steps over which the learning rates rise."""

CALM = 0.1
"""Share of StyleGAN2's first style weights with which a run begins."""


def teach_first(
    network: nn.Module,
    average: nn.Module,
    lesson: Callable[[], Mapping[str, float]],
    names: Sequence[str],
    world: World,
) -> dict[str, Tensor]:
    """The first process teaches the network, all begin with what it found, and so does the average.

    lesson: teaches in place and returns what is unknown afterwards, as shares of the variance, by
    the names `names`. Returned on all processes, for the log.
    """
    unknown = torch.zeros(len(names), device=world.device)
    if world.leads:
        found = lesson()
        unknown += world.size * torch.tensor([found[name] for name in names], device=world.device)
        average.load_state_dict(network.state_dict())
    share_weights([network, average], world)
    return dict(zip(names, mean_over_processes(unknown, world), strict=True))


@torch.no_grad()
def start_calmly(network: nn.Module, finest: Iterable[ToRGB]) -> None:
    """Everybody begins as nearly the same person: styles hardly depend on w, and what the finest
    layers paint is what lies below them, enlarged."""
    for name, parameter in network.named_parameters():
        if name.endswith("affine.weight"):
            parameter.mul_(CALM)
    for layer in finest:
        layer.weight.zero_()


def learning_groups(
    network: nn.Module, mapping: MappingNetwork, rate: float, *, slow: Iterable[nn.Parameter] = (),
    slow_rate: float = 1.0,
) -> list[dict[str, Any]]:  # fmt: skip
    """Groups of parameters for Adam. The mapping, whose rate StyleGAN2 lowers a hundredfold, learns
    a little faster than that; slow: what learns at `slow_rate` of the rate."""
    taught, slow = list(mapping.parameters()), list(slow)
    special = {id(p) for p in taught + slow}
    rest = [p for p in network.parameters() if id(p) not in special]
    groups = ((rest, rate), (taught, rate * MAPPING_RATE), (slow, rate * slow_rate))
    return [{"params": part, "lr": lr, "initial_lr": lr} for part, lr in groups if part]


def anneal(
    optimizer: torch.optim.Optimizer, step: int, *, decay_steps: int, last: float,
    warmup: int = WARMUP,
) -> None:  # fmt: skip
    """Set the rates of a step: after the rise a half cosine down to `last` of each."""
    factor = annealed(step, decay_steps, warmup=warmup, last=last)
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
