"""Shared parts of the supervised recipes: pre-training, initialisation, learning rates."""

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
"""The mapping's learning rate relative to the other layers'; its layers scale it by 0.01."""

WARMUP = 100
"""Steps of linear warm-up."""

STYLE_SCALE = 0.1
"""Factor on StyleGAN2's initial style weights."""


def pretrain_on_first(
    network: nn.Module,
    average: nn.Module,
    pretrain: Callable[[], Mapping[str, float]],
    names: Sequence[str],
    world: World,
) -> dict[str, Tensor]:
    """Pre-train the network on the first process, then share its weights with all processes and the
    EMA.

    pretrain: pre-trains in place and returns the unexplained variances by the names `names`, which
    are returned on all processes, for the log.
    """
    unknown = torch.zeros(len(names), device=world.device)
    if world.leads:
        found = pretrain()
        unknown += world.size * torch.tensor([found[name] for name in names], device=world.device)
        average.load_state_dict(network.state_dict())
    share_weights([network, average], world)
    return dict(zip(names, mean_over_processes(unknown, world), strict=True))


@torch.no_grad()
def initialise_styles(network: nn.Module, finest: Iterable[ToRGB]) -> None:
    """Scale down the style weights, so that all samples start nearly equal, and zero the finest
    ToRGB layers, so that the initial image is the upsampled coarser one."""
    for name, parameter in network.named_parameters():
        if name.endswith("affine.weight"):
            parameter.mul_(STYLE_SCALE)
    for layer in finest:
        layer.weight.zero_()


def learning_groups(
    network: nn.Module, mapping: MappingNetwork, rate: float, *, slow: Iterable[nn.Parameter] = (),
    slow_rate: float = 1.0,
) -> list[dict[str, Any]]:  # fmt: skip
    """Parameter groups for Adam.

    The mapping, whose rate StyleGAN2 lowers a hundredfold, gets `MAPPING_RATE` times that. slow:
    parameters with `slow_rate` times the rate.
    """
    mapped, slow = list(mapping.parameters()), list(slow)
    special = {id(p) for p in mapped + slow}
    rest = [p for p in network.parameters() if id(p) not in special]
    groups = ((rest, rate), (mapped, rate * MAPPING_RATE), (slow, rate * slow_rate))
    return [{"params": part, "lr": lr, "initial_lr": lr} for part, lr in groups if part]


def anneal(
    optimizer: torch.optim.Optimizer, step: int, *, decay_steps: int, last: float,
    warmup: int = WARMUP,
) -> None:  # fmt: skip
    """Set the learning rates of a step: linear warm-up, then cosine decay to the factor `last`."""
    factor = annealed(step, decay_steps, warmup=warmup, last=last)
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
