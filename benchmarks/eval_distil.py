"""Methods of inversion on portraits, from the photo's side and from all others.

    python benchmarks/eval_distil.py FOLDER [--count 8] [--methods distil goae+refine]
        [--sheet FILE.png] [--json-file F]

FOLDER is laid out as `data.portrait_folder` reads it; of its portraits sorted by id, every tenth is
measured, which nothing shipped has learned from. psnr: of the person's pixels, decibels. distance:
dlib's between the photo and the head at the photo's camera and turned by 20° and 40° to both sides
(`eval_likeness`; renders without a face that mediapipe finds count as 1). perceptual: mean
distance to the avatar's own renders by the same cameras, that is how far turned views are from
clean ones. half: pixels whose opacity is from 0.2 to 0.8, over those with more than 0.5. seconds:
from the aligned photo to the head. Needs the extra `likeness`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import radians
from pathlib import Path

import numpy as np
import torch
import tyro
from eval_likeness import Shot, describe
from jaxtyping import UInt8
from numpy import ndarray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from tyro.conf import Positional

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.data.portrait_folder import Portrait, held_out, read_portraits
from portraiture.errors import InversionError, PhotoError
from portraiture.fit.run import fit_photo
from portraiture.invert.distil.method import DistilMethod
from portraiture.invert.inversion import Inversion, person_psnr
from portraiture.invert.method import MethodName, choose_method
from portraiture.media import atomic_path, write_image
from portraiture.meshing.head_mesh import pixels_of
from portraiture.models import Models, default_models
from portraiture.perception.features import perceptual_distance
from portraiture.perception.target import Target, target_of_photo
from portraiture.photo.align import align
from portraiture.photo.landmarks import find_faces
from portraiture.types import as_uint8

YAWS = (-60, -40, -20, 0, 20, 40, 60)
TURNED = (20, 40)
NOT_FOUND = 1.0
Figures = dict[str, float]


@dataclass(frozen=True)
class Shown:
    """A head's images from the photo's camera and from `YAWS`, and the share of half-opaque pixels
    of each."""

    images: list[Tensor]
    half: list[float]


def main(
    folder: Positional[Path], *, count: int = 8,
    methods: tuple[MethodName, ...] = ("distil", "goae+refine"), sheet: Path | None = None,
    json_file: Path | None = None,
) -> None:  # fmt: skip
    """count: at most so many portraits, evenly over the ids. sheet: gets a photo, the avatar and
    each method's head of all, from the photo's camera and seven sides. json_file: gets the
    figures."""
    models = default_models()
    rows, found = [], {name: [] for name in methods}
    for portrait in track(chosen(folder, count), description="Invert and compare"):
        try:
            figures, images = measured(portrait, methods, models)
        except (PhotoError, InversionError) as error:
            print(f"{portrait.name}: refused, {error}")
            continue
        rows += images
        for name, values in figures.items():
            found[name].append(values)
            told = "  ".join(f"{key} {value:.3f}" for key, value in values.items())
            print(f"{portrait.name} {name}: {told}", flush=True)
        if sheet is not None:
            write_image(sheet, np.concatenate(rows))
    means = {name: mean_of(values) for name, values in found.items()}
    Console().print(table_of(means))
    if json_file is not None:
        with atomic_path(json_file) as part:
            part.write_text(json.dumps(means, indent=1) + "\n")


def chosen(folder: Path, count: int) -> list[Portrait]:
    """Of those held out, evenly."""
    held = held_out(read_portraits(folder))[1]
    return [held[k] for k in np.linspace(0, len(held) - 1, min(count, len(held))).astype(int)]


def measured(
    portrait: Portrait, methods: Sequence[MethodName], models: Models
) -> tuple[dict[str, Figures], list[UInt8[ndarray, "h w 3"]]]:
    """Figures by method, and rows of images. Raises PhotoError."""
    photo = align(portrait.photo)
    guide = DistilMethod(models, "heads")
    target = target_of_photo(photo, guide.generator, models.portrait_parser())
    start = time.perf_counter()
    fitted = fit_photo(photo)
    placed = guide.place(target, photo, fitted)
    fitting = time.perf_counter() - start
    cameras = [placed.camera, *(eg3d_orbit(radians(yaw), 0.0) for yaw in YAWS)]
    avatar = list(guide.rendered(placed, cameras).image.split(1))
    sitter = described(target.image)
    figures, rows = {}, [row_of([target.image, *avatar])]
    for name in methods:
        method = choose_method(name, models)
        start = time.perf_counter()
        if isinstance(method, DistilMethod):
            found = method.distilled(method.latent(fitted), method.sides(target, placed))
            seconds = time.perf_counter() - start + fitting
        else:
            found = method.invert([target])
            seconds = time.perf_counter() - start
        shown = show(found)
        figures[name] = figures_of(found, target, shown, avatar, sitter, models)
        figures[name]["seconds"] = seconds
        rows.append(row_of([target.image, *shown.images]))
    return figures, rows


@torch.no_grad()
def show(found: Inversion) -> Shown:
    """The head from all sides."""
    network, images, half = found.generator, [], []
    turned = [
        torch.from_numpy(to_eg3d(eg3d_orbit(radians(yaw), 0.0))).float()[None] for yaw in YAWS
    ]
    for camera in (found.camera, *turned):
        volume = network.render(found.planes, camera.to(found.planes), deterministic=True)
        images.append(network.upsample(volume.features, found.ws).clamp(-1.0, 1.0).cpu())
        opacity = volume.opacity
        count = ((opacity > 0.2) & (opacity < 0.8)).sum() / (opacity > 0.5).sum().clamp_min(1)
        half.append(float(count))
    return Shown(images, half)


@torch.no_grad()
def figures_of(
    found: Inversion, target: Target, shown: Shown, avatar: Sequence[Tensor],
    sitter: ndarray | None, models: Models,
) -> Figures:  # fmt: skip
    """Of one head. avatar: its renders by the same cameras."""
    figures = {"psnr": person_psnr(found, target)}
    if sitter is not None:
        figures["distance"] = distance(shown.images[0], sitter)
    for angle in TURNED:
        both = [1 + YAWS.index(sign * angle) for sign in (-1, 1)]
        if sitter is not None:
            apart = [distance(shown.images[k], sitter) for k in both]
            figures[f"distance {angle}°"] = float(np.mean(apart))
        figures[f"half {angle}°"] = float(np.mean([shown.half[k] for k in both]))
    pairs = zip(shown.images[1:], avatar[1:], strict=True)
    far = [float(perceptual_distance(models.parser(), a, b).mean()) for a, b in pairs]
    return {**figures, "perceptual": float(np.mean(far))}


def distance(image: Tensor, sitter: ndarray) -> float:
    """dlib's, or `NOT_FOUND`."""
    found = described(image)
    return NOT_FOUND if found is None else float(np.linalg.norm(found - sitter))


def described(image: Tensor) -> ndarray | None:
    """dlib's descriptor of an image in [-1, 1], None without a face."""
    pixels = as_uint8(pixels_of(image))
    faces = find_faces(pixels)
    return describe(Shot(pixels, faces[0][:, :2])) if faces else None


def row_of(images: Sequence[Tensor]) -> UInt8[ndarray, "h w 3"]:
    return np.concatenate([as_uint8(pixels_of(image)) for image in images], 1)


def mean_of(values: Sequence[Figures]) -> Figures:
    """The mean of each figure over the portraits that have it."""
    names = list(dict.fromkeys(name for one in values for name in one))
    return {name: float(np.mean([one[name] for one in values if name in one])) for name in names}


def table_of(means: dict[str, Figures]) -> Table:
    table = Table("method", *next(iter(means.values())))
    for name, values in means.items():
        table.add_row(name, *(f"{value:.3f}" for value in values.values()))
    return table


if __name__ == "__main__":
    tyro.cli(main)
