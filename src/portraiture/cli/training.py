"""`portraiture train`: runs a recipe in a folder, or prints its plan."""

from __future__ import annotations

from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from rich.table import Table

from portraiture.cli.choices import Choices
from portraiture.cli.recipes import make_recipe
from portraiture.progress import SILENT, Progress
from portraiture.train.distributed import World, open_world
from portraiture.train.loop import Outcome, Recipe, run_recipe
from portraiture.train.state import checkpoints
from portraiture.types import RecipeName


@dataclass(frozen=True)
class Plan:
    """What `train` would do. rows: (quantity, value). config: contents of config.json."""

    rows: list[tuple[str, str]]
    config: dict[str, Any]

    def table(self) -> Table:
        """The rows and every setting, for the terminal."""
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
    """Train `recipe` in the folder `out`, or resume it.

    minutes: save a checkpoint and return after this time. dry_run: build the networks, read one
    batch, write nothing and return the plan. Under torchrun, every process calls this. Raises
    PortraitureError.
    """
    made = make_recipe(recipe, choices)
    with open_world(device) as world:
        made.run.share(world)
        if dry_run:
            return plan(made, out, world)
        return run_recipe(made, out, world=world, minutes=minutes, progress=progress)


def plan(recipe: Recipe, out: Path, world: World) -> Plan:
    """Network sizes, schedule and starting step of a run; reads one batch, writes nothing."""
    run = recipe.run
    with torch.random.fork_rng(devices=[]):
        state = recipe.build(World())
    recipe.batch(0, run.share(world), torch.Generator().manual_seed(0))
    found = checkpoints(out / "checkpoints")
    sizes = [
        (f"{name} parameters", f"{sum(p.numel() for p in network.parameters()):,}")
        for name, network in state.models.items()
    ]
    share = f"{run.share(world)} per process, micro-batches of {run.micro_batch or 'all'}"
    rows = [
        ("device", f"{world.device}, {world.size} process(es), {run.precision}"),
        ("images per step", f"{run.batch} ({share})"),
        ("steps", f"{run.steps:,} ({run.steps * run.batch:,} images)"),
        ("folder", str(out)),
        ("starts at", found[-1].stem.replace("-", " ") if found else "step 0"),
        *sizes,
    ]
    return Plan(rows, asdict(recipe.config))


def _flat(config: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Flatten settings to (dotted name, value)."""
    if is_dataclass(config) and not isinstance(config, type):
        config = asdict(config)
    if not isinstance(config, dict):
        return [(prefix, config)]
    return [
        pair for key, value in config.items() for pair in _flat(value, f"{prefix}.{key}".strip("."))
    ]
