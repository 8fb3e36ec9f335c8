"""What the residual of an inversion says about the photo, by kinds of photos.

    python benchmarks/eval_confidence.py [--people 40] [--photos FOLDER ...] [--weights ENCODER]

Held-out people's photos (`bench invert`'s) to their own heads and to those of strangers, photos of
the given folders, and pictures of no face: scenery, patterns, and people upside down, cut out as if
they were photos. Distances are those of `invert.confidence.residual`; its scale goes from the
median of the first to that of pictures without a face.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro
from jaxtyping import UInt8
from numpy import ndarray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from portraiture.align import align
from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.checkpoints import load_generator
from portraiture.data.backgrounds import sample_background
from portraiture.errors import PortraitureError
from portraiture.invert.bench import Judged, held_out_person, target_of_view
from portraiture.invert.confidence import LOW, residual, scaled
from portraiture.invert.methods import encoder_method
from portraiture.invert.run import Method, invert_target
from portraiture.invert.target import Target, make_target, target_of_photo
from portraiture.metrics.extractors import identity_synthetic
from portraiture.metrics.networks import load_identity, load_parser
from portraiture.metrics.perceptual import perceptual_synthetic
from portraiture.models.eg3d import TriPlaneGenerator

YAWS = (-0.5, 0.0, 0.5)


def no_faces(count: int) -> list[UInt8[ndarray, "n n 3"]]:
    """Scenery and patterns."""
    rng = np.random.default_rng(5)
    return [(sample_background(rng, 256) * 255).astype(np.uint8) for _ in range(count)]


def main(
    people: int = 40, photos: tuple[Path, ...] = (), count: int = 40,
    weights: str | None = None, alignment: str | None = None,
) -> None:  # fmt: skip
    """photos: folders of portraits. count: of pictures of each other kind."""
    generator, parser = load_generator("heads"), load_parser()
    distance = perceptual_synthetic(parser)
    judged = Judged(parser, distance, identity_synthetic(load_identity()))
    how = encoder_method(
        "encoder", generator, "heads", weights=weights, alignment=alignment, painted=False
    )

    def measured(target: Target, by: Method = how) -> float:
        return residual(invert_target(target, how=by), generator, target, distance)

    found: dict[str, list[float]] = {"own": [], "stranger": [], "upside down": [], "no face": []}
    before: Target | None = None
    for index in track(range(people), "People"):
        person = held_out_person(index, YAWS, generator.config.image_size)
        target = target_of_view(person, index % len(YAWS), index, generator, judged)
        inversion = invert_target(target, how=how)
        found["own"].append(residual(inversion, generator, target, distance))
        if before is not None:
            moved = replace(inversion, camera=before.camera)
            found["stranger"].append(residual(moved, generator, before, distance))
        turned = (target.crop[0].permute(1, 2, 0).flip(0) * 127.5 + 127.5).to(torch.uint8).numpy()
        found["upside down"] += tried(turned, measured, generator)
        before = target
    for picture in track(no_faces(count), "No faces"):
        found["no face"] += tried(picture, measured, generator)
    for folder in photos:
        found[folder.name] = []
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".png"))
        for path in track(paths[:count], folder.name):
            try:
                found[folder.name].append(measured(target_of_photo(align(path), generator)))
            except PortraitureError as error:
                print(f"{path.name}: {error}")
    show(found)


def tried(
    picture: ndarray, measured: Callable[[Target], float], generator: TriPlaneGenerator
) -> list[float]:
    """The residual of a picture; none where it is refused."""
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).float()[None]
    try:
        return [measured(make_target(picture, camera, generator))]
    except PortraitureError:
        return []


def show(found: dict[str, list[float]]) -> None:
    """Quantiles by kind, and the share of low confidence."""
    near = float(np.median(found["own"]))
    far = float(np.median(found["no face"]))
    table = Table("Kind", "Pictures", "10 %", "50 %", "90 %", "Confidence", f"Below {LOW:g}")
    for kind, values in found.items():
        if not values:
            table.add_row(kind, "0")
            continue
        quantiles = np.quantile(values, (0.1, 0.5, 0.9))
        sure = [scaled(value, near, far) for value in values]
        low = np.mean([one < LOW for one in sure])
        table.add_row(kind, str(len(values)), *(f"{q:.3f}" for q in quantiles),
                      f"{np.median(sure):.2f}", f"{low:.0%}")  # fmt: skip
    Console().print(table)
    print(f"scale: {near:.4f}, {far:.4f}")


if __name__ == "__main__":
    tyro.cli(main)
