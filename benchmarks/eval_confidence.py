"""What the residual of an inversion says about the photo, by kinds of photos.

    python benchmarks/eval_confidence.py [--people 40] [--photos FOLDER ...] [--weights ENCODER]

Held-out people's photos (`bench invert`'s) to their own heads and to those of strangers, photos of
the given folders, drawings (faces of ellipses, and people as pencil lines), and images of no
face: scenery, patterns, and people upside down, cut out as if they were photos. Photos and drawings
go the way of every photo, so that some are refused before they have a head; so do images of no
face once more, as a user would give them. Distances are those of
`invert.confidence.photo_distance`, infinite for what is not shaded; its scale goes from the median
of the first to that of images without a face.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.ndimage import gaussian_filter, sobel

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.errors import PortraitureError
from portraiture.evaluate.inversion import MetricNetworks, held_out_person, target_of_view
from portraiture.invert.confidence import DRAWN, LOW, SCALES, photo_distance, scaled, unshaded
from portraiture.invert.encode import EncoderMethod
from portraiture.invert.method import encoder_method
from portraiture.metrics.extractors import identity_synthetic
from portraiture.metrics.perceptual import perceptual_synthetic
from portraiture.models import Models, default_models
from portraiture.people.backgrounds import sample_background
from portraiture.perception.target import Target, make_target, target_of_photo
from portraiture.photo.align import align

KINDS = ("own", "stranger", "pencil", "cartoon", "upside down", "no face", "no face, as given")
YAWS = (-0.5, 0.0, 0.5)


def no_faces(count: int) -> list[UInt8[ndarray, "n n 3"]]:
    """Scenery and patterns."""
    rng = np.random.default_rng(5)
    return [(sample_background(rng, 256) * 255).astype(np.uint8) for _ in range(count)]


def cartoons(count: int) -> list[UInt8[ndarray, "n n 3"]]:
    """Faces of ellipses, with an outline."""
    return [_cartoon(np.random.default_rng((6, k))) for k in range(count)]


def _cartoon(rng: np.random.Generator) -> UInt8[ndarray, "n n 3"]:
    def colour() -> tuple[int, ...]:
        return tuple(int(v) for v in rng.integers(60, 256, 3))

    image = Image.new("RGB", (512, 512), colour())
    pen = ImageDraw.Draw(image)
    iris = colour()
    wide, tall, eye = rng.uniform(110, 150), rng.uniform(140, 180), rng.uniform(14, 34)

    def ellipse(x: float, y: float, rx: float, ry: float, fill: object, width: int = 4) -> None:
        box = (256 + x - rx, 270 + y - ry, 256 + x + rx, 270 + y + ry)
        pen.ellipse(box, fill=fill, outline="black", width=width)  # type: ignore[arg-type]

    ellipse(0, -40, wide * 1.15, tall * 1.1, colour())
    ellipse(0, 0, wide, tall, (255, int(rng.integers(170, 225)), int(rng.integers(120, 190))))
    for side in (-1, 1):
        ellipse(side * 0.42 * wide, -25, eye, eye * 1.3, "white")
        ellipse(side * 0.42 * wide, -22, eye * 0.5, eye * 0.7, iris)
        ellipse(side * 0.42 * wide, -22, eye * 0.25, eye * 0.3, "black", 0)
        ellipse(side * 0.42 * wide, -40 - 1.8 * eye, eye * 1.2, 4, "black", 0)
    ellipse(0, 30, 14, 20, None)
    ellipse(0, 0.55 * tall, 0.35 * wide, rng.uniform(6, 26), (190, 40, 50))
    return np.asarray(image)


def pencil(image: UInt8[ndarray, "n n 3"]) -> UInt8[ndarray, "n n 3"]:
    """Dark lines on white where an image has edges."""
    grey = gaussian_filter(image.mean(-1), 1.0)
    edges = np.hypot(sobel(grey, 0), sobel(grey, 1))
    lines = 255.0 * np.clip(1.2 - edges / np.quantile(edges, 0.95), 0.0, 1.0)
    return np.repeat(lines.astype(np.uint8)[..., None], 3, 2)


def main(
    people: int = 40, photos: tuple[Path, ...] = (), count: int = 40,
    weights: str | None = None, alignment: str | None = None,
) -> None:  # fmt: skip
    """photos: folders of portraits. count: of images of each other kind."""
    models = default_models()
    generator, parser = models.generator(), models.parser()
    distance = perceptual_synthetic(parser)
    metrics = MetricNetworks(
        models.portrait_parser(), distance, identity_synthetic(models.identity())
    )
    how = encoder_method(models, "aligned", weights=weights, alignment=alignment)

    def measured(target: Target, by: EncoderMethod = how) -> float:
        if unshaded(target) > DRAWN:
            return math.inf
        return photo_distance(by.invert([target]), generator, target, distance)

    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    before: Target | None = None
    for index in track(range(people), "People"):
        person = held_out_person(index, YAWS, generator.config.image_size)
        target = target_of_view(person, index % len(YAWS), index, generator, metrics)
        inversion = how.invert([target])
        found["own"].append(photo_distance(inversion, generator, target, distance))
        if before is not None:
            moved = replace(inversion, camera=before.camera)
            found["stranger"].append(photo_distance(moved, generator, before, distance))
        upright = (target.crop[0].permute(1, 2, 0) * 127.5 + 127.5).to(torch.uint8).numpy()
        found["upside down"] += tried(upright[::-1].copy(), measured, models)
        found["pencil"] += through_align(pencil(upright), measured, models)
        before = target
    for image in track(cartoons(count), "Cartoons"):
        found["cartoon"] += through_align(image, measured, models)
    for image in track(no_faces(count), "No faces"):
        found["no face"] += tried(image, measured, models)
        found["no face, as given"] += through_align(image, measured, models)
    for folder in photos:
        found[folder.name] = []
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".png"))
        for path in track(paths[:count], folder.name):
            found[folder.name] += through_align(path, measured, models)
    show(found)


def through_align(
    photo: Path | ndarray, measured: Callable[[Target], float], models: Models
) -> list[float]:
    """The residual of a photo, not a number where it is refused."""
    try:
        return [
            measured(target_of_photo(align(photo), models.generator(), models.portrait_parser()))
        ]
    except PortraitureError:
        return [float("nan")]


def tried(image: ndarray, measured: Callable[[Target], float], models: Models) -> list[float]:
    """The residual of an image; none where it is refused."""
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).float()[None]
    try:
        return [measured(make_target(image, camera, models.generator(), models.portrait_parser()))]
    except PortraitureError:
        return []


def show(found: dict[str, list[float]]) -> None:
    """Quantiles by kind, confidence by the scale that ships, and the scale as found."""
    near = float(np.median(found["own"]))
    far = float(np.median([value for value in found["no face"] if value < math.inf]))
    table = Table(
        "Kind", "Pictures", "Refused", "10 %", "50 %", "90 %", "Confidence", f"Below {LOW:g}"
    )
    for kind, values in found.items():
        refused = sum(map(math.isnan, values))
        if refused == len(values):
            table.add_row(kind, str(len(values)), str(refused))
            continue
        values = [value for value in values if not math.isnan(value)]
        quantiles = np.quantile(values, (0.1, 0.5, 0.9), method="nearest")
        sure = [scaled(value, *SCALES["perceptual-synthetic"]) for value in values]
        low = np.mean([one < LOW for one in sure])
        counts = str(len(values) + refused), str(refused)
        table.add_row(kind, *counts, *(f"{q:.3f}" for q in quantiles),
                      f"{np.median(sure):.2f}", f"{low:.0%}")  # fmt: skip
    Console().print(table)
    print(f"scale: {near:.4f}, {far:.4f}")


if __name__ == "__main__":
    tyro.cli(main)
