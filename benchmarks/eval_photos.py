"""Real photos as heads: how near, and whether two ways to a shape agree.

    python benchmarks/eval_photos.py FOLDER [--count 24] [--method goae+refine] [--json-file F]

For each photo that `align` takes: PSNR where the person is, perceptual distance to the cut-out
photo, identity of the image from its camera, the head's confidence, seconds. Depth: of the 400
or so inner landmarks, as the engine's fitted avatar has them and as the head's depth map has them
at the same pixels, each brought to mean 0 and variance 1; their mean squared difference (0 for the
same shape, 2 for unrelated ones). Photos are never written anywhere but into --sheet-file.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from jaxtyping import Float, UInt8
from metric import Metric, metrics_from
from metric import Row as Reported
from numpy import ndarray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tyro.conf import Positional

from portraiture.camera import project
from portraiture.create.run import make_avatar
from portraiture.errors import PortraitureError
from portraiture.fit.run import fit_photo
from portraiture.generate.run import contact_sheet
from portraiture.head import Head, head_image
from portraiture.invert.inversion import InversionMethod
from portraiture.invert.method import choose_method
from portraiture.invert.run import invert_photos
from portraiture.media import atomic_path, write_image
from portraiture.meshing.head_mesh import pixels_of
from portraiture.metrics.extractors import identity_synthetic
from portraiture.metrics.perceptual import perceptual_synthetic
from portraiture.models import default_models
from portraiture.perception.target import Target
from portraiture.photo.align import align
from portraiture.pixels import squared
from portraiture.types import Photo, as_uint8

MethodName = Literal["goae+refine", "aligned", "w", "pti"]

METHOD: MethodName = "goae+refine"
REPORTED = (
    Reported("psnr_person_db", "photos/real photos: PSNR of the person", "dB", "higher", 0.5),
    Reported("identity", "photos/real photos: similarity", "", "higher", 0.02),
    Reported("depth_fit", "photos/head's depth against fitted avatar's", "", "lower", 0.05),
)
"""The last: mean squared difference of standardised depths at landmarks."""
IRIS_FROM = 468
"""Landmarks from here on lie on the irises."""
VIEWS = (-0.5, 0.0, 0.5)
SHEET_SIDE = 192


@dataclass(frozen=True)
class Row:
    """NaN where the engine could not be fitted."""

    psnr_person_db: float
    perceptual: float
    identity: float
    depth_fit: float
    confidence: float
    seconds: float


@torch.no_grad()
def rendered(head: Head) -> tuple[torch.Tensor, Float[ndarray, "n n"]]:
    """The image and depth map from the photo's camera."""
    volume = head.network.render(head.planes, head.camera, deterministic=True)
    image = head.network.upsample(volume.features, head.modulation).clamp(-1.0, 1.0)
    return image, volume.depth[0, 0].numpy()


def depth_agreement(photo: Photo, depth: Float[ndarray, "n n"]) -> float:
    """Of the fitted avatar's landmarks and a depth map of the crop."""
    fitted = fit_photo(photo)
    bust = make_avatar(photo, fitted).bust(expression=fitted.expression)
    size = (photo.image.shape[0], photo.image.shape[1])
    theirs = project(bust.landmarks[:IRIS_FROM], fitted.camera, size)[:, 2]
    at = np.column_stack([photo.landmarks[:IRIS_FROM], np.ones(IRIS_FROM)])
    at = (at @ photo.crop_from_image.T)[:, :2] * len(depth) / len(photo.crop)
    column, row = at.astype(int).T
    inside = (at > 0).all(1) & (at < len(depth) - 1).all(1)
    inside &= depth[row.clip(0, len(depth) - 1), column.clip(0, len(depth) - 1)] > 0
    if inside.sum() < 50:
        return float("nan")
    ours = depth[row[inside], column[inside]]
    a, b = ((x - x.mean()) / max(x.std(), 1e-9) for x in (ours, theirs[inside]))
    return float(np.square(a - b).mean())


def strip(head: Head, target: Target, image: torch.Tensor) -> list[UInt8[ndarray, "n n 3"]]:
    """The cut-out photo, the head from its camera, and from other sides."""
    shown = [as_uint8(pixels_of(target.image)), as_uint8(pixels_of(image))]
    shown += [head_image(head, yaw) for yaw in VIEWS]
    return [squared(one, SHEET_SIDE) for one in shown]


def photos_in(folder: Path) -> list[Path]:
    """Sorted by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".png"))


def rows_of(
    paths: list[Path], how: InversionMethod, *, fit: bool = True
) -> tuple[list[Row], list[list[UInt8[ndarray, "n n 3"]]], int]:
    """Of each photo that is taken its figures and images, and how many are refused."""
    perceptual = perceptual_synthetic(how.models.parser())
    who = identity_synthetic(how.models.identity())
    rows: list[Row] = []
    strips, refused = [], 0
    for path in track(paths, "Photos"):
        try:
            photo = align(path)
            start = time.perf_counter()
            head, target = invert_photos([photo], how)
        except PortraitureError as error:
            refused += 1
            print(f"{path.name}: {error}")
            continue
        seconds = time.perf_counter() - start
        image, depth = rendered(head)
        similar = torch.cosine_similarity(who.extract(image), who.extract(target.image), dim=1)
        rows.append(
            Row(
                head.facts["psnr_person_db"],
                float(perceptual.measure(image, target.image)),
                float(similar),
                depth_agreement(photo, depth) if fit else float("nan"),
                head.facts.get("confidence", float("nan")),
                seconds,
            )
        )
        strips.append(strip(head, target, image))
    return rows, strips, refused


def measure(folder: Path, *, count: int = 24) -> list[Metric]:
    """Medians over the photos that are taken, by the default method."""
    rows, _, _ = rows_of(photos_in(folder)[:count], choose_method(METHOD, default_models()))
    figures = {
        f.name: float(np.nanmedian([getattr(row, f.name) for row in rows])) for f in fields(Row)
    }
    return metrics_from(figures, REPORTED)


def main(
    folder: Positional[Path], count: int = 24, method: MethodName = METHOD,
    steps: int | None = None, weights: str | None = None, alignment: str | None = None,
    refine_steps: int | None = None, fit: bool = True, json_file: Path | None = None,
    sheet_file: Path | None = None,
) -> None:  # fmt: skip
    """refine_steps: the method's own number by default. fit: also compare depth with the
    engine's."""
    how = choose_method(
        method, default_models(), weights=weights, alignment=alignment, refine_steps=refine_steps,
        steps=steps,
    )  # fmt: skip
    rows, strips, refused = rows_of(photos_in(folder)[:count], how, fit=fit)
    table = Table("", *(f.name for f in fields(Row)))
    for name, of in (("median", np.nanmedian), ("mean", np.nanmean)):
        table.add_row(
            name, *(f"{of([getattr(row, f.name) for row in rows]):.3f}" for f in fields(Row))
        )
    Console().print(table)
    print(f"{len(rows)} photos, {refused} refused")
    if json_file is not None:
        with atomic_path(json_file) as partial:
            partial.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    if sheet_file is not None:
        write_image(sheet_file, contact_sheet(strips))


if __name__ == "__main__":
    tyro.cli(main)
