"""`portraiture bench`: what a method is worth, measured on people whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import pi
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, UseAppendAction, arg

from portraiture.cli.progress import TerminalProgress
from portraiture.errors import InversionError

if TYPE_CHECKING:
    from portraiture.evaluate.inversion import Invert, Judged, Row, Where
    from portraiture.invert.run import Method
    from portraiture.networks.eg3d import TriPlaneGenerator
    from portraiture.triplane.visibility import MixedPlanes

console = Console()
BenchMethod = Literal[
    "goae+refine", "painted", "aligned", "f-everywhere", "front-mask", "w+", "psp", "e4e", "w",
    "pti", "pose-opt",
]  # fmt: skip
ENCODED: tuple[BenchMethod, ...] = (
    "goae+refine", "painted", "aligned", "f-everywhere", "front-mask", "w+",
)  # fmt: skip
MIXED: dict[BenchMethod, MixedPlanes] = {"f-everywhere": "none", "front-mask": "front"}


@dataclass(frozen=True)
class Bench:
    """Measure methods of inversion on held-out synthetic people, from inputs turned by 0, 30 and 60
    degrees, at the input's view and at the others.

    w+ is the encoder swin-w alone; aligned adds feature alignment after GOAE, f-everywhere is that
    without and front-mask with only the front plane's mask; painted adds the photo's texture, and
    goae+refine the outline and refinement besides. psp and e4e are encoders to compare with, whose
    weights are given. The others optimise, for minutes a picture; --steps shortens that.

    Example: portraiture bench invert --people 4 --methods goae+refine w+ pti --steps 100
    """

    what: Positional[Literal["invert"]]
    """What to measure."""
    people: int = 4
    """How many, five pictures each."""
    methods: tuple[BenchMethod, ...] = ("goae+refine", "w+")
    """Which methods."""
    weights: str | None = None
    """The encoder's, instead of the shipped ones."""
    alignment: str | None = None
    """The feature alignment's, likewise."""
    psp: str | None = None
    """pSp's, for --methods psp: what train encoder --architecture psp left in networks/."""
    e4e: str | None = None
    """e4e's, likewise."""
    also: Annotated[tuple[str, ...], UseAppendAction] = ()
    """NAME=ENCODER or NAME=ENCODER+ALIGNMENT: more weights to compare, such as of an ablation;
    nothing is painted with these."""
    network: str = "heads"
    """The generator."""
    steps: int | None = None
    """Of an optimisation's first stage, instead of the published number."""
    inputs: tuple[int, ...] = (-60, -30, 0, 30, 60)
    """Degrees by which the inputs are turned, of these five."""
    json_file: Annotated[Path | None, arg(name="json")] = None
    """Also write the rows as JSON."""


def bench(command: Bench) -> None:
    from portraiture.checkpoints import load_generator
    from portraiture.evaluate.inversion import Judged
    from portraiture.evaluate.inversion import bench as run_bench
    from portraiture.invert.pti import OPTIMISERS
    from portraiture.metrics.extractors import identity_synthetic
    from portraiture.metrics.perceptual import perceptual_synthetic
    from portraiture.perception.weights import load_identity, load_parser

    if command.people < 1:
        raise InversionError("--people must be at least 1.")
    inputs = _views(command.inputs)
    generator, parser = load_generator(command.network), load_parser()
    methods = _methods(command, generator)
    judged = Judged(parser, perceptual_synthetic(parser), identity_synthetic(load_identity()))
    with TerminalProgress() as progress:
        rows = run_bench(
            methods, generator, judged, people=command.people, inputs=inputs,
            slow=OPTIMISERS,
            progress=progress,
        )  # fmt: skip
    for table in _tables(rows, judged):
        console.print(table)
    if command.json_file is not None:
        _write(command.json_file, rows)


def _views(degrees: Sequence[int]) -> list[int]:
    """The numbers of the views that are turned so. Raises InversionError for others."""
    from portraiture.evaluate.inversion import YAWS

    known = [round(yaw * 180.0 / pi) for yaw in YAWS]
    if not degrees or not set(degrees) <= set(known):
        raise InversionError(f"--inputs are of {', '.join(map(str, known))}.")
    return [known.index(one) for one in dict.fromkeys(degrees)]


def _methods(command: Bench, generator: TriPlaneGenerator) -> Mapping[str, Invert]:
    """Raises PortraitureError where weights are missing or don't fit."""
    from portraiture.invert.method import encoder_kind, encoder_method, optimiser_method
    from portraiture.invert.run import invert_target

    if command.weights is not None and not set(command.methods) & set(ENCODED):
        raise InversionError(f"--weights is for {', '.join(ENCODED)}.")
    found: dict[str, Method] = {}
    for name in dict.fromkeys(command.methods):
        if name in ("w", "pti", "pose-opt"):
            found[name] = optimiser_method(name, generator, command.network, steps=command.steps)
        elif name in ("psp", "e4e"):
            weights = command.psp if name == "psp" else command.e4e
            found[name] = encoder_method(name, generator, command.network, weights=weights)
        else:
            refined, painted = name != "w+", name in ("goae+refine", "painted")
            how = encoder_method(
                "goae+refine" if painted else "aligned", generator, command.network,
                weights=command.weights, refined=refined,
                alignment=command.alignment if refined else None, mixed=MIXED.get(name, "all"),
                polish=0 if name == "painted" else None,
            )  # fmt: skip
            if refined and not painted and how.alignment is None:
                raise InversionError(f"{name} needs the --alignment of these --weights.")
            found[name] = how
    for text in command.also:
        name, equals, files = text.partition("=")
        weights, _, alignment = files.partition("+")
        if not name or not equals or not weights:
            raise InversionError("Write --also NAME=ENCODER or --also NAME=ENCODER+ALIGNMENT.")
        if name in found:
            raise InversionError(f"There are two methods {name[:40]!r}.")
        found[name] = encoder_method(
            encoder_kind(weights), generator, command.network, weights=weights,
            alignment=alignment or None,
        )  # fmt: skip
    return {name: partial(invert_target, how=how) for name, how in found.items()}


def _tables(rows: list[Row], judged: Judged) -> Iterator[Table]:
    """As in the paper: at the input's view, and from elsewhere; by how far the input was turned."""
    titles: dict[Where, str] = {"input": "At the input's view", "novel": "At the other views"}
    for where, title in titles.items():
        table = Table("Method", "Input", "MSE", "PSNR", "SSIM", "Perc.", "Ident.", "Depth",
                      "Sec.", title=title, box=SIMPLE_HEAD, padding=(0, 1))  # fmt: skip
        for row in sorted(rows, key=lambda row: row.yaw):
            if row.where != where:
                continue
            s = row.scores
            table.add_row(
                row.method, f"{row.yaw}°", f"{s.mse:.4f}", f"{s.psnr:.2f}", f"{s.ssim:.3f}",
                f"{s.perceptual:.3f}", f"{s.identity:.3f}", f"{s.depth:.3f}", f"{s.seconds:.2f}",
            )  # fmt: skip
        table.caption = f"perc.: {judged.perceptual.metric}; ident.: {judged.identity.metric}"
        yield table


def _write(path: Path, rows: list[Row]) -> None:
    from portraiture.evaluate.inversion import rows_as_json
    from portraiture.media import atomic_path

    with atomic_path(path) as partial_path:
        partial_path.write_text(json.dumps(rows_as_json(rows), indent=1, allow_nan=False) + "\n")
