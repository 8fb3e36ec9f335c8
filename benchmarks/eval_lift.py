"""How well LiftedGAN's networks lift the people of their generator, whose engine truth is known.

    python benchmarks/eval_lift.py NETWORKS [--generator faces2d] [--people 40] [--images 400]
        [--also NAME=NETWORKS …]
        [--json F] [--plot F.png] [--sheet F.png]

Depth inside the face from the front: correlation, and error after a linear fit, in σ of the truth.
Yaw, pitch and roll: errors in degrees after their mean. Identity by angle: of the lifted person and
of rotation by M alone. Fréchet distance (features of our identity network) of --images people,
lifted and turned, to the generator's images, beside that of the generator's images of the same
people. Relit: PSNR inside the face against the engine's render in another light, beside the person
in its old light and the generator's own image. --also: networks trained without a loss, rows of the
same table.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from portraiture.checkpoints import load_image_generator
from portraiture.cli.progress import TerminalProgress
from portraiture.evaluate.lift import (
    IdentityCurve,
    Scores,
    held_out_scene,
    identity_curve,
    measure_lift,
)
from portraiture.evaluate.lift_images import Relit, frechet_of_lifted, measure_relighting
from portraiture.lift.estimate import lift
from portraiture.lift.images import sheets
from portraiture.lift.networks import LiftedNetworks
from portraiture.lift.run import check_fit, load_lifted_networks
from portraiture.media import atomic_path
from portraiture.metrics.extractors import frechet_synthetic, identity_synthetic
from portraiture.networks.faces2d import FacesGenerator
from portraiture.perception.weights import load_identity
from portraiture.progress import Progress

WIDTH, HEIGHT, MARGIN = 480, 320, 30


@dataclass(frozen=True)
class Measured:
    """All of one set of networks. frechet: of lifted people, and of the generator's images."""

    scores: Scores
    curve: IdentityCurve
    relit: Relit
    frechet: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Names and numbers."""
        flat = {**asdict(self.scores), **asdict(self.curve), **asdict(self.relit)}
        return {**flat, "frechet": self.frechet[0], "frechet_generator": self.frechet[1]}


def main(
    networks: Annotated[str, tyro.conf.Positional],
    generator: str = "faces2d",
    people: int = 40,
    images: int = 400,
    also: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = (),
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    plot: Path | None = None,
    sheet: Path | None = None,
) -> None:
    """Print the table; write JSON, the plot of figure 6 and a sheet of lifted people."""
    if min(people, images) < 2:
        raise SystemExit("--people and --images must be at least 2.")
    faces = load_image_generator(generator)
    named = {"full": networks}
    for text in also:
        name, equals, path = text.partition("=")
        if not name or not equals or not path:
            raise SystemExit("Write --also NAME=NETWORKS.")
        named[name] = path
    rows: dict[str, Measured] = {}
    with TerminalProgress() as progress:
        for name, path in named.items():
            net = load_lifted_networks(path)
            check_fit(net, faces)
            rows[name] = measured(faces, net, people, images, progress)
    Console().print(table_of(rows))
    if json_file is not None:
        found = {name: row.to_dict() for name, row in rows.items()}
        with atomic_path(json_file) as part:
            part.write_text(json.dumps(found, indent=1) + "\n")
    if plot is not None:
        curve_plot(rows["full"].curve).save(plot)
    if sheet is not None:
        Image.fromarray(lifted_sheet(networks, generator)).save(sheet)


def measured(
    faces: FacesGenerator, networks: LiftedNetworks, people: int, images: int, progress: Progress
) -> Measured:
    """All measures of one set of networks."""
    identity = load_identity()
    return Measured(
        measure_lift(faces, networks, people=people, progress=progress),
        identity_curve(
            faces, networks, identity_synthetic(identity), people=people, progress=progress
        ),
        measure_relighting(faces, networks, people=people, progress=progress),
        frechet_of_lifted(
            faces, networks, frechet_synthetic(identity), people=images, progress=progress
        ),
    )


def table_of(rows: dict[str, Measured]) -> Table:
    """A row of each set of networks."""
    table = Table(
        "Networks", "Fréchet", "Depth corr.", "Depth error", "Yaw", "Pitch", "Roll", "Relit, dB",
        "Identity at",
    )  # fmt: skip
    for name, row in rows.items():
        scores, curve, relit = row.scores, row.curve, row.relit
        parts = [
            f"{np.degrees(yaw):+.0f}°: {a:.2f} ({b:.2f})"
            for yaw, a, b in zip(curve.yaws, curve.lifted, curve.latent, strict=True)
        ]
        table.add_row(
            name, f"{row.frechet[0]:.2f} ({row.frechet[1]:.2f})", f"{scores.correlation:.3f}",
            f"{scores.depth:.3f}", f"{scores.yaw:.2f}°", f"{scores.pitch:.2f}°",
            f"{scores.roll:.2f}°", f"{relit.relit:.1f} ({relit.kept:.1f}, {relit.generated:.1f})",
            "\n".join(parts),
        )  # fmt: skip
    table.caption = (
        "Fréchet: lifted (the generator's own images); relit: lifted (in the old light, the"
        " generator); identity: lifted (by M alone)"
    )
    return table


def curve_plot(curve: IdentityCurve) -> Image.Image:
    """Cosine by yaw: of the lifted person in blue, by M alone in red."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    first, last = curve.yaws[0], curve.yaws[-1]

    def at(yaw: float, value: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (yaw - first) / (last - first)
        return x, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * max(value, 0.0)

    for value in (0.0, 0.5, 1.0):
        draw.line([at(first, value), at(last, value)], fill=(210, 210, 210))
        draw.text((2, at(first, value)[1] - 6), f"{value:.1f}", fill="black")
    for yaw in curve.yaws:
        draw.text(
            (at(yaw, 0.0)[0] - 8, HEIGHT - MARGIN + 6), f"{np.degrees(yaw):.0f}", fill="black"
        )
    for values, colour in ((curve.latent, (200, 60, 50)), (curve.lifted, (40, 90, 200))):
        draw.line([at(*pair) for pair in zip(curve.yaws, values, strict=True)], colour, 3)
    return image


@torch.no_grad()
def lifted_sheet(networks: str, generator: str, *, count: int = 6) -> UInt8[ndarray, "h w 3"]:
    """Rows of held-out people: albedo, depth, normals, turns, lights."""
    faces, net, rows = load_image_generator(generator), load_lifted_networks(networks), []
    for index in range(count):
        z = torch.from_numpy(held_out_scene(index))[None]
        person = lift(faces, net, faces.mapping(z, None)[:, 0])
        rows.append(np.concatenate(list(sheets(person).values()), 1))
    return np.concatenate(rows)


if __name__ == "__main__":
    tyro.cli(main)
