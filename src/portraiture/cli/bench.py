"""`portraiture bench`: what a method is worth, measured on people whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import pi
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, UseAppendAction, arg

from portraiture.cli.progress import TerminalProgress
from portraiture.errors import InversionError
from portraiture.types import DeviceName

if TYPE_CHECKING:
    from portraiture.evaluate.inversion import MetricNetworks, Row, Where
    from portraiture.invert.inversion import InversionMethod
    from portraiture.models import Models
    from portraiture.triplane.visibility import MixedPlanes

console = Console()
BenchMethod = Literal[
    "goae+refine", "projected", "aligned", "f-everywhere", "front-mask", "w+", "psp", "e4e", "w",
    "pti", "pose-opt",
]  # fmt: skip
ENCODED: tuple[BenchMethod, ...] = (
    "goae+refine", "projected", "aligned", "f-everywhere", "front-mask", "w+",
)  # fmt: skip
MIXED: dict[BenchMethod, MixedPlanes] = {"f-everywhere": "none", "front-mask": "front"}


@dataclass(frozen=True)
class Bench:
    """Measure inversion methods on held-out synthetic people, from inputs turned by 0, 30 and 60
    degrees, at the input view and at the others.

    w+ is the encoder swin-w alone; aligned adds GOAE's feature alignment, which f-everywhere uses
    without masks and front-mask with the front plane's mask only; projected adds the photo's
    texture, and goae+refine also fits the silhouette and refines the texture. psp and e4e are
    encoders to compare with; give their weights. The others are optimisations that take minutes an
    image; --steps shortens them.

    Example: portraiture bench invert --people 4 --methods goae+refine w+ pti --steps 100
    """

    what: Positional[Literal["invert"]]
    """What to measure."""
    people: int = 4
    """How many people, five images each."""
    methods: tuple[BenchMethod, ...] = ("goae+refine", "w+")
    """Methods to measure."""
    weights: str | None = None
    """The encoder's, instead of the shipped ones."""
    alignment: str | None = None
    """The feature alignment's, likewise."""
    psp: str | None = None
    """pSp's, for --methods psp: what train encoder --architecture psp left in networks/."""
    e4e: str | None = None
    """e4e's, likewise."""
    also: Annotated[tuple[str, ...], UseAppendAction] = ()
    """NAME=ENCODER or NAME=ENCODER+ALIGNMENT: more weights to compare, such as an ablation's,
    without any projection of textures."""
    network: str = "heads"
    """The generator."""
    steps: int | None = None
    """Steps of an optimisation's first stage, instead of the published number."""
    inputs: tuple[int, ...] = (-60, -30, 0, 30, 60)
    """Degrees by which the inputs are turned, of these five."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    json_file: Annotated[Path | None, arg(name="json")] = None
    """Also write the rows as JSON."""


def bench(command: Bench) -> None:
    from portraiture.evaluate.inversion import MetricNetworks
    from portraiture.evaluate.inversion import bench as run_bench
    from portraiture.invert.pti import OPTIMISERS
    from portraiture.metrics.extractors import identity_synthetic
    from portraiture.metrics.perceptual import perceptual_synthetic
    from portraiture.models import Models, choose_device

    if command.people < 1:
        raise InversionError("--people must be at least 1.")
    inputs = _views(command.inputs)
    models = Models(choose_device(command.device))
    methods, parser = _methods(command, models), models.parser()
    metrics = MetricNetworks(
        models.portrait_parser(),
        perceptual_synthetic(parser),
        identity_synthetic(models.identity()),
    )
    with TerminalProgress() as progress:
        rows = run_bench(
            methods, models.generator(command.network), metrics, people=command.people,
            inputs=inputs, slow=OPTIMISERS, progress=progress,
        )  # fmt: skip
    for table in _tables(rows, metrics):
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


def _methods(command: Bench, models: Models) -> Mapping[str, InversionMethod]:
    """Raises PortraitureError where weights are missing or don't fit."""
    from portraiture.invert.method import encoder_kind, encoder_method, optimiser_method

    if command.weights is not None and not set(command.methods) & set(ENCODED):
        raise InversionError(f"--weights is for {', '.join(ENCODED)}.")
    network = command.network
    found: dict[str, InversionMethod] = {}
    for name in dict.fromkeys(command.methods):
        if name in ("w", "pti", "pose-opt"):
            found[name] = optimiser_method(models, name, network=network, steps=command.steps)
        elif name in ("psp", "e4e"):
            weights = command.psp if name == "psp" else command.e4e
            found[name] = encoder_method(models, name, network=network, weights=weights)
        else:
            aligned, projected = name != "w+", name in ("goae+refine", "projected")
            method = encoder_method(
                models, "goae+refine" if projected else "aligned", network=network,
                weights=command.weights, aligned=aligned,
                alignment=command.alignment if aligned else None, mixed=MIXED.get(name, "all"),
                refine_steps=0 if name == "projected" else None,
            )  # fmt: skip
            if aligned and not projected and method.alignment is None:
                raise InversionError(f"{name} needs the --alignment of these --weights.")
            found[name] = method
    for text in command.also:
        name, equals, files = text.partition("=")
        weights, _, alignment = files.partition("+")
        if not name or not equals or not weights:
            raise InversionError("Write --also NAME=ENCODER or --also NAME=ENCODER+ALIGNMENT.")
        if name in found:
            raise InversionError(f"There are two methods {name[:40]!r}.")
        found[name] = encoder_method(
            models, encoder_kind(models, weights), network=network, weights=weights,
            alignment=alignment or None,
        )  # fmt: skip
    return found


def _tables(rows: list[Row], metrics: MetricNetworks) -> Iterator[Table]:
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
        table.caption = f"perc.: {metrics.perceptual.metric}; ident.: {metrics.identity.metric}"
        yield table


def _write(path: Path, rows: list[Row]) -> None:
    from portraiture.evaluate.inversion import rows_as_json
    from portraiture.media import atomic_path

    with atomic_path(path) as partial_path:
        partial_path.write_text(json.dumps(rows_as_json(rows), indent=1, allow_nan=False) + "\n")
