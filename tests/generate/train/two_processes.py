"""One of two processes that train together; fails unless both end with the same bits.

RANK=0|1 WORLD_SIZE=2 MASTER_ADDR=… MASTER_PORT=… python two_processes.py RECIPE DATA OUT
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import torch
import torch.distributed as dist
from torch import nn

from portraiture.cli.recipes import Choices, make_recipe
from portraiture.train.distributed import (
    World,
    anywhere,
    average_gradients,
    mean_over_processes,
    open_world,
    share_weights,
)
from portraiture.train.loop import run_recipe
from portraiture.types import RecipeName


def check_parts(world: World) -> None:
    """Each collective against what it must give for ranks 0 and 1."""
    weight = nn.Parameter(torch.full((2,), float(world.rank)))
    unused = nn.Parameter(torch.zeros(3))
    weight.grad = torch.tensor([1.0 + world.rank, float("nan")])
    average_gradients([unused, weight], world)
    assert weight.grad is not None and weight.grad.tolist() == [1.5, 0.0]
    assert unused.grad is None
    network = nn.Linear(1, 1)
    nn.init.constant_(network.weight, 3.0 - world.rank)
    share_weights([network], world)
    assert float(network.weight.detach()) == 3.0
    assert float(mean_over_processes(torch.tensor(float(world.rank)), world)) == 0.5
    assert anywhere(world.rank == 1, world) and not anywhere(False, world)


def main(name: RecipeName, data: Path, out: Path) -> None:
    with open_world("cpu") as world:
        assert world.size == 2
        check_parts(world)
        recipe = make_recipe(name, Choices("tiny", data, steps=3))
        state = run_recipe(recipe, out, world=world).state
        networks = (*state.models.values(), *state.averages.values())
        flat = torch.cat([t.flatten() for n in networks for t in n.state_dict().values()])
        low, high = flat.clone(), flat.clone()
        dist.all_reduce(low, op=dist.ReduceOp.MIN)
        dist.all_reduce(high, op=dist.ReduceOp.MAX)
        assert torch.equal(low, high)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(cast(RecipeName, sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
