"""Data-parallel training under torchrun, with explicit averaging; a no-op with one process.

Gradients are averaged explicitly after the backward passes of a step: adversarial steps run a
network several times, with second derivatives, before one update, which DistributedDataParallel
would have to be told about.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class World:
    """rank: index of this process among `size`. device: where it computes."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def leads(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0


PATIENCE = timedelta(hours=2)
"""Timeout between processes: the first may pre-train the mapping for half an hour."""


@contextmanager
def open_world(device: str = "auto") -> Iterator[World]:
    """The process group described by torchrun's environment, or a single process.

    device: "auto" (the GPU of this process if there is one), "cpu" or "cuda". NCCL between GPUs,
    Gloo between CPUs.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    place = torch.device("cpu")
    if cuda:
        place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(place)
    if size == 1:
        yield World(device=place)
        return
    dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    try:
        yield World(rank, size, place)
    finally:
        dist.destroy_process_group()


def average_gradients(parameters: Iterable[nn.Parameter], world: World) -> None:
    """Average gradients over the processes; non-finite values count as 0."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return
    if world.size > 1:
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        flat /= world.size
        for g, piece in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            g.copy_(piece.view_as(g))
    for g in gradients:
        torch.nan_to_num(g, nan=0.0, posinf=1e5, neginf=-1e5, out=g)


def share_weights(networks: Iterable[nn.Module], world: World) -> None:
    """Give every process the first one's parameters and buffers."""
    if world.size == 1:
        return
    for network in networks:
        for tensor in (*network.parameters(), *network.buffers()):
            dist.broadcast(tensor.detach(), src=0)


def mean_over_processes(values: Tensor, world: World) -> Tensor:
    """The mean of a tensor over all processes."""
    if world.size > 1:
        values = values.clone()
        dist.all_reduce(values)
        values /= world.size
    return values


def anywhere(flag: bool, world: World) -> bool:
    """Logical or over the processes."""
    if world.size == 1:
        return flag
    votes = torch.tensor(float(flag), device=world.device)
    dist.all_reduce(votes, op=dist.ReduceOp.MAX)
    return bool(votes)
