"""Does the perceptual distance grow with every change, and does it forgive a shift?

    python benchmarks/eval_perceptual.py FOLDER [--squeeze FILE] [--json FILE]

FOLDER: held-out people (`portraiture synth --kind latents`). Each image is changed in five ways
at four strengths. Printed for each distance: how often the stronger change of a kind is the greater
distance, and how often an image blurred by 2.5 pixels is farther away than one shifted by 1.5,
which everybody sees at once and plain error gets wrong.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from jaxtyping import Float
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from portraiture.metrics.perceptual import (
    ImageDistance,
    perceptual_squeezenet,
    perceptual_synthetic,
)
from portraiture.people.people_file import load_person
from portraiture.perception.features import load_squeeze
from portraiture.perception.weights import load_parser

STRENGTHS = {
    "blur": (0.7, 1.2, 2.0, 3.2),
    "shift": (0.5, 1.0, 2.0, 4.0),
    "noise": (0.02, 0.05, 0.1, 0.2),
    "warp": (0.5, 1.0, 2.0, 4.0),
    "tone": (0.05, 0.1, 0.2, 0.4),
}
"""Deviation of the blur, length of the shift, root mean square length of the warp in pixels; noise
and tone over the range of colours."""


def main(
    folder: Annotated[Path, tyro.conf.Positional],
    squeeze: Path | None = None,
    people: int = 40,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Print a table; `--json FILE` writes it."""
    distances = [
        perceptual_synthetic(load_parser()),
        ImageDistance("mean-squared-error", _squared_error),
    ]
    if squeeze is not None:
        distances.append(perceptual_squeezenet(load_squeeze(squeeze)))
    images = _images(folder, people)
    scores = {d.metric: _score(d, images) for d in track(distances, "Distances")}
    table = Table("distance", *STRENGTHS, "blur over shift")
    for name, row in scores.items():
        table.add_row(name, *(f"{100 * value:.0f} %" for value in row.values()))
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(scores, indent=1) + "\n")


def changed(images: Float[Tensor, "B 3 R R"], kind: str, strength: float) -> Tensor:
    """Images in [-1, 1] after one change, the same at every call."""
    torch.manual_seed(0)
    match kind:
        case "blur":
            return _blurred(images, strength)
        case "shift":
            return _resampled(images, torch.full((1, 2, 1, 1), strength / 2**0.5))
        case "noise":
            return (images + 2 * strength * torch.randn_like(images)).clamp(-1, 1)
        case "warp":
            waves = torch.randn(1, 2, 6, 6)
            return _resampled(images, strength * waves / waves.square().sum(1).mean().sqrt())
        case _:
            cast = torch.tensor([1.0, 0.0, -1.0]).view(1, 3, 1, 1)
            return (images + 2 * strength * cast).clamp(-1, 1)


def _score(distance: ImageDistance, images: Tensor) -> dict[str, float]:
    row = {}
    for kind, strengths in STRENGTHS.items():
        found = [distance.measure(changed(images, kind, s), images) for s in strengths]
        ordered = [(b > a).float().mean() for a, b in pairwise(found)]
        row[kind] = float(torch.stack(ordered).mean())
    blurred, shifted = (
        distance.measure(changed(images, *change), images)
        for change in (("blur", 2.5), ("shift", 1.5))
    )
    return row | {"blur over shift": float((blurred > shifted).float().mean())}


def _squared_error(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean((1, 2, 3))


def _blurred(images: Tensor, deviation: float) -> Tensor:
    reach = int(np.ceil(3 * deviation))
    at = torch.arange(-reach, reach + 1, dtype=torch.float32)
    line = torch.exp(-0.5 * (at / deviation).square())
    line = (line / line.sum()).expand(3, 1, -1)
    wide = F.pad(images, (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(wide, line[..., None, :], groups=3), line[..., None], groups=3)


def _resampled(images: Tensor, pixels: Float[Tensor, "1 2 h w"]) -> Tensor:
    """Images read that many pixels further; the field is enlarged to their size."""
    side = images.shape[-1]
    field = F.interpolate(pixels, (side, side), mode="bicubic") * (2 / side)
    base = F.affine_grid(torch.eye(2, 3)[None], [1, 1, side, side], align_corners=False)
    where = (base + field.permute(0, 2, 3, 1)).expand(len(images), -1, -1, -1)
    return F.grid_sample(images, where, padding_mode="border", align_corners=False)


def _images(folder: Path, people: int) -> Float[Tensor, "N 3 R R"]:
    paths = sorted(folder.glob("person_*.npz"))[:people]
    faces = np.stack([load_person(path).rgb[0] for path in paths])
    return torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 127.5 - 1.0


if __name__ == "__main__":
    tyro.cli(main)
