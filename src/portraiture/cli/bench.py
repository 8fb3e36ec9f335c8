"""`portraiture bench`: what a method is worth, measured on people whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from tyro.conf import Positional, arg

from portraiture.errors import InversionError

if TYPE_CHECKING:
    from portraiture.invert.bench import Invert, Row
    from portraiture.models.eg3d import TriPlaneGenerator
    from portraiture.render.visible import MixedPlanes

console = Console()
BenchMethod = Literal["goae", "w+", "f-everywhere", "front-mask", "w", "pti", "pose-opt"]
ENCODED: tuple[BenchMethod, ...] = ("goae", "w+", "f-everywhere", "front-mask")
MIXED: dict[BenchMethod, MixedPlanes] = {"f-everywhere": "none", "front-mask": "front"}


@dataclass(frozen=True)
class Bench:
    """Measure methods of inversion on held-out synthetic people, from inputs turned by 0, 30 and 60
    degrees, at the input's view and at the others.

    goae is the whole method, w+ its encoder alone, f-everywhere without and front-mask with only
    the front plane's mask; these need --weights and --alignment. The others optimise, for minutes a
    picture; --steps shortens that.

    Example: portraiture bench invert --people 4 --weights encoder --alignment alignment
    """

    what: Positional[Literal["invert"]]
    """What to measure."""
    people: int = 4
    """How many, five pictures each."""
    methods: tuple[BenchMethod, ...] = ENCODED
    """Which methods."""
    weights: str | None = None
    """The encoder's."""
    alignment: str | None = None
    """The feature alignment's."""
    network: str = "heads"
    """The generator."""
    steps: int | None = None
    """Of an optimisation's first stage, instead of the published number."""
    json_file: Annotated[Path | None, arg(name="json")] = None
    """Also write the rows as JSON."""


def bench(command: Bench) -> None:
    from portraiture.checkpoints import load_generator
    from portraiture.invert.bench import Judged
    from portraiture.invert.bench import bench as run_bench
    from portraiture.metrics.extractors import identity_synthetic
    from portraiture.metrics.networks import load_identity, load_parser
    from portraiture.metrics.perceptual import perceptual_synthetic

    if command.people < 1:
        raise InversionError("--people must be at least 1.")
    generator, parser = load_generator(command.network), load_parser()
    methods = _methods(command, generator)
    judged = Judged(parser, perceptual_synthetic(parser), identity_synthetic(load_identity()))
    columns = TextColumn("Inversions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("Inversions", total=command.people * len(methods))
        rows = run_bench(
            methods, generator, judged, people=command.people,
            advance=lambda: progress.advance(task),
        )  # fmt: skip
    console.print(_table(rows, judged.perceptual.metric, judged.identity.metric))
    if command.json_file is not None:
        _write(command.json_file, rows)


def _methods(command: Bench, generator: TriPlaneGenerator) -> Mapping[str, Invert]:
    """Raises PortraitureError where weights are missing or don't fit."""
    from portraiture.invert.methods import encoder_method, optimiser_method
    from portraiture.invert.run import invert_target

    if command.weights is not None and not set(command.methods) & set(ENCODED):
        raise InversionError("--weights is for goae, w+, f-everywhere and front-mask.")
    found: dict[str, Invert] = {}
    for name in dict.fromkeys(command.methods):
        if name == "w" or name == "pti" or name == "pose-opt":
            how = optimiser_method(
                name, generator, command.network, steps=command.steps, stoppable=False
            )
        else:
            refined = name != "w+"
            if refined and command.weights is not None and command.alignment is None:
                raise InversionError(f"{name} needs --alignment; choose --methods w+ without it.")
            how = encoder_method(
                generator, command.network, weights=command.weights,
                alignment=command.alignment if refined else None, mixed=MIXED.get(name, "all"),
            )  # fmt: skip
        found[name] = partial(invert_target, how=how)
    return found


def _table(rows: list[Row], perceptual: str, identity: str) -> Table:
    table = Table("Method", "Input", "View", "MSE", "PSNR", "SSIM", perceptual, identity,
                  "Depth", "Seconds")  # fmt: skip
    for row in rows:
        s = row.scores
        table.add_row(
            row.method, f"{row.yaw}°", row.where, f"{s.mse:.4f}", f"{s.psnr:.2f}", f"{s.ssim:.3f}",
            f"{s.perceptual:.3f}", f"{s.identity:.3f}", f"{s.depth:.3f}", f"{s.seconds:.2f}",
        )  # fmt: skip
    return table


def _write(path: Path, rows: list[Row]) -> None:
    from portraiture.invert.bench import rows_as_json
    from portraiture.media import atomic_path

    with atomic_path(path) as partial_path:
        partial_path.write_text(json.dumps(rows_as_json(rows), indent=1, allow_nan=False) + "\n")
