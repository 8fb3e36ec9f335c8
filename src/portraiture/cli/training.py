"""`portraiture train`: a recipe by name, its preset and its data → a run in a folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from rich.table import Table

from portraiture.cli.recipes import Choices, RecipeName, make_recipe
from portraiture.progress import SILENT, Progress
from portraiture.train.distributed import World, open_world
from portraiture.train.loop import Outcome, Recipe, run_recipe
from portraiture.train.state import checkpoints


@dataclass(frozen=True)
class Plan:
    """What `train` would do. rows: (what, how much). config: as it will be written."""

    rows: list[tuple[str, str]]
    config: dict[str, Any]

    def table(self) -> Table:
        """The rows, then every setting."""
        table = Table("What", "Value", title="Training plan")
        for row in self.rows:
            table.add_row(*row)
        table.add_section()
        for name, value in _flat(self.config):
            table.add_row(name, str(value))
        return table


def train(
    recipe: RecipeName,
    choices: Choices,
    *,
    out: Path,
    minutes: float | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> Outcome | Plan:
    """Train, or go on with, `recipe` in the folder `out`.

    minutes: save and return after these. dry_run: build the networks, look at the data, write
    nothing, and return the plan. Under torchrun, each process calls this. Raises PortraitureError.
    """
    made = make_recipe(recipe, choices)
    with open_world(device) as world:
        made.run.share(world)
        if dry_run:
            return plan(made, out, world)
        return run_recipe(made, out, world=world, minutes=minutes, progress=progress)


def plan(recipe: Recipe, out: Path, world: World) -> Plan:
    """Sizes, lengths and where it would begin; makes one batch and writes nothing."""
    run = recipe.run
    with torch.random.fork_rng(devices=[]):
        state = recipe.build(World())
    recipe.batch(0, run.share(world), torch.Generator().manual_seed(0))
    found = checkpoints(out / "checkpoints")
    sizes = [
        (f"{name} parameters", f"{sum(p.numel() for p in network.parameters()):,}")
        for name, network in state.models.items()
    ]
    share = f"{run.share(world)} on each of {world.size}, {run.micro_batch or 'all'} at once"
    rows = [
        ("device", f"{world.device}, {world.size} process(es), {run.precision}"),
        ("images in a step", f"{run.batch} ({share})"),
        ("steps", f"{run.steps:,} ({run.steps * run.batch:,} images)"),
        ("folder", str(out)),
        ("begins at", found[-1].stem.replace("-", " ") if found else "step 0"),
        *sizes,
    ]
    return Plan(rows, asdict(recipe.config))


def _flat(config: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Settings with dotted names."""
    if is_dataclass(config) and not isinstance(config, type):
        config = asdict(config)
    if not isinstance(config, dict):
        return [(prefix, config)]
    return [
        pair for key, value in config.items() for pair in _flat(value, f"{prefix}.{key}".strip("."))
    ]
