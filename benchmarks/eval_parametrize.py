"""How well the engine's parameters are read off photos of avatars whose vector is known.

    python benchmarks/eval_parametrize.py [--people 40] [--fit] [--regressor R.safetensors]
        [--cascade FOLDER] [--also NAME=FOLDER …] [--json F] [--confusions F.png] [--sheet F.png]

--fit: what `create` does, without its texture. --regressor: the supervised baseline. --cascade: the
networks of AgileAvatar's cascade, measured as it is and "without search": the likeliest value of
every choice, without search and refinement. --also: cascades trained without one of its parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image
from rich.console import Console
from rich.table import Table

from portraiture.cli.progress import TerminalProgress
from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.evaluate.parametrize import (
    Found,
    Method,
    MetricNetworks,
    Row,
    bench,
    confusion,
    confusion_image,
    held_out_photo,
    summarised,
)
from portraiture.fit.run import fit_photo
from portraiture.media import atomic_path
from portraiture.metrics.extractors import identity_synthetic
from portraiture.metrics.perceptual import perceptual_synthetic
from portraiture.models import Models
from portraiture.parametrize.cascade import Cascade, load_cascade, load_regressor
from portraiture.parametrize.networks import relaxed_vector
from portraiture.parametrize.run import engine_image, parametrize_aligned
from portraiture.parametrize.vector import hardened, parameters_of
from portraiture.perception.cut_out import cut_out
from portraiture.photo.align import align
from portraiture.types import Photo

SHEET_SIDE = 160


def of_aligned(method: Callable[[Photo], AvatarParameters]) -> Method:
    """A method of aligned photos as one of images."""
    return lambda photo: method(align(photo))


def main(
    people: int = 40,
    fit: bool = False,
    regressor: Path | None = None,
    cascade: Path | None = None,
    also: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = (),
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    confusions: Path | None = None,
    sheet: Path | None = None,
) -> None:
    """Print the table; write rows as JSON, confusion matrices and a sheet of renders."""
    models = Models()
    methods = methods_of(models, fit, regressor, cascade, also)
    if not methods:
        raise SystemExit("Say what to measure: --fit, --regressor, --cascade or --also.")
    metrics = MetricNetworks(
        perceptual_synthetic(models.parser()), identity_synthetic(models.identity())
    )
    with TerminalProgress() as progress:
        found = bench(methods, metrics, people=people, progress=progress)
    rows = [summarised(name, each) for name, each in found.items()]
    Console().print(table_of(rows))
    if json_file is not None:
        with atomic_path(json_file) as part:
            part.write_text(json.dumps([row.to_dict() for row in rows], indent=1) + "\n")
    if confusions is not None:
        Image.fromarray(confusion_sheet(found)).save(confusions)
    if sheet is not None:
        Image.fromarray(render_sheet(found)).save(sheet)


def methods_of(
    models: Models, fit: bool, regressor: Path | None, cascade: Path | None, also: tuple[str, ...]
) -> dict[str, Method]:
    """The methods by the names of their rows."""
    methods: dict[str, Method] = {}
    if fit:
        methods["fit"] = of_aligned(lambda photo: fit_photo(photo).parameters)
    if regressor is not None:
        network = load_regressor(regressor)

        @torch.no_grad()
        def regressed(photo: UInt8[ndarray, "n n 3"]) -> AvatarParameters:
            cut = cut_out(align(photo).crop, models.portrait_parser(), models.device)
            side = network.config.size
            small = torch.nn.functional.interpolate(
                cut, (side, side), mode="bilinear", antialias=True
            )
            return parameters_of(relaxed_vector(network(small), 1.0)[0])

        methods["regressor"] = regressed
    folders = {} if cascade is None else {"cascade": cascade}
    for text in also:
        name, equals, folder = text.partition("=")
        if not name or not equals or not folder:
            raise SystemExit("Write --also NAME=FOLDER.")
        folders[name] = Path(folder)
    for name, folder in folders.items():
        networks = load_cascade(folder)
        methods[name] = cascaded(networks, models)
        if name == "cascade":
            methods["without search"] = likeliest(networks, models)
    return methods


def cascaded(networks: Cascade, models: Models) -> Method:
    """All three stages."""
    return of_aligned(lambda photo: parametrize_aligned(photo, networks, models).parameters)


def likeliest(networks: Cascade, models: Models) -> Method:
    """The likeliest value of each choice, as the mapper says."""

    def method(photo: UInt8[ndarray, "n n 3"]) -> AvatarParameters:
        relaxed = networks.relax(
            cut_out(align(photo).crop, models.portrait_parser(), models.device)
        )
        return parameters_of(hardened(relaxed.vector)[0])

    return method


def table_of(rows: list[Row]) -> Table:
    """A row of each method."""
    names = [name.removesuffix("_style") for name in DISCRETE]
    table = Table(
        "Method", "Failed", "Choices", *names, "Error", "Perc.", "1 - ident.", "Sec.",
        title="Photos of held-out avatars",
    )  # fmt: skip
    for row in rows:
        table.add_row(
            row.method, str(row.failed), f"{100 * row.mean_accuracy:.1f}",
            *(f"{100 * row.accuracy[name]:.0f}" for name in DISCRETE), f"{row.error:.3f}",
            f"{row.perceptual:.3f}", f"{row.identity:.3f}", f"{row.seconds:.1f}",
        )  # fmt: skip
    return table


def confusion_sheet(found: dict[str, list[Found | None]]) -> UInt8[ndarray, "h w 3"]:
    """A row of matrices of each method."""
    rows = []
    for each in found.values():
        images = [confusion_image(confusion(each, name)) for name in DISCRETE]
        height = max(image.shape[0] for image in images)
        padded = [
            np.pad(image, ((0, height - image.shape[0] + 8), (0, 8), (0, 0))) for image in images
        ]
        rows.append(np.concatenate(padded, 1))
    return np.concatenate(rows)


def render_sheet(found: dict[str, list[Found | None]], *, count: int = 8) -> ndarray:
    """Columns of avatars: the photo, its own render, and those of each method."""
    columns = []
    for index in range(min(count, len(next(iter(found.values()))))):
        truth, photo = held_out_photo(index)
        small = np.asarray(Image.fromarray(photo).resize((SHEET_SIDE, SHEET_SIDE)))
        column = [small, engine_image(truth, size=SHEET_SIDE)]
        for each in found.values():
            one = each[index]
            blank = np.zeros((SHEET_SIDE, SHEET_SIDE, 3), np.uint8)
            column.append(blank if one is None else engine_image(one.parameters, size=SHEET_SIDE))
        columns.append(np.concatenate(column))
    return np.concatenate(columns, 1)


if __name__ == "__main__":
    tyro.cli(main)
