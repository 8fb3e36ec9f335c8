"""Fit a folder of photos and print how well: acceptance, reprojection, re-detection, PSNR, seconds.

    python benchmarks/bench_fit.py FOLDER [--every 10] [--out fit.json] [--sheet DIR] [--workers 1]

reprojection: mean distance of the model's landmarks off the outline to the photo's. front,
photo camera: the same for landmarks detected on renders against the model's own. All in percent of
the inter-ocular distance. psnr: textured render at the photo's camera against the photo, inside
the outline of the face. Contact sheets: photo | overlay | render at the photo's camera | front |
three-quarter | profile.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from metric import Metric, metrics_from
from metric import Row as Reported
from PIL import Image
from rich.console import Console
from rich.table import Table
from skimage.draw import polygon2mask

from portraiture.engine.build import build_bust
from portraiture.engine.landmarks import CONTOUR
from portraiture.errors import PhotoError
from portraiture.fit.compare import window_camera
from portraiture.fit.regions import read_photo, window_transform
from portraiture.fit.run import Fitted, fit_photo
from portraiture.fit.solve import reprojection_error
from portraiture.photo.align import align
from portraiture.photo.landmarks import find_faces
from portraiture.render.framing import portrait_camera
from portraiture.render.mesh import render_bust
from portraiture.types import Bust, Camera, Photo, as_uint8

BACKGROUND = (0.82, 0.83, 0.85)
TILE = 300
FACE_PX = 320
OF_IOD = "% of IOD"
"""Of the inter-ocular distance."""
REPORTED = (
    Reported("accepted_percent", "fit/photos that give an avatar", "%", "higher", 2.0),
    Reported("reprojection_percent", "fit/mean landmark reprojection", OF_IOD, "lower", 0.2),
    Reported("reprojection_worst_percent", "fit/worst photo's reprojection", OF_IOD, "lower", 1.0),
    Reported("front_redetected_percent", "fit/front landmarks found again", OF_IOD, "lower", 0.3),
    Reported("psnr_db", "fit/fit: PSNR inside the face", "dB", "higher", 0.5),
    Reported("psnr_share_over_22", "fit/fit: photos over 22 dB", "%", "higher", 5.0, scale=100.0),
    Reported("seconds", "fit/fit: seconds a photo", "s", "lower", factor=3.0),
)


@dataclass(frozen=True)
class Row:
    """One photo's figures; None where a detector saw no face."""

    name: str
    reprojection: float
    front: float | None
    photo_camera: float | None
    psnr: float
    seconds: float
    stages: dict[str, float]
    choices: dict[str, str]


def face_box(landmarks: np.ndarray, margin: float) -> np.ndarray:
    """Square around the landmarks, a bit above their middle."""
    low, high = landmarks.min(0), landmarks.max(0)
    centre, half = 0.5 * (low + high), (0.5 + margin) * float((high - low).max())
    centre = centre - [0.0, 0.15 * margin * half]
    return np.array([*(centre - half), *(centre + half)])


def crop(image: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """Resampled square part of a photo."""
    picture = Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS, box=tuple(box))
    return np.asarray(picture)


def inside(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The box moved and shrunk into the photo, still square."""
    side = min(box[2] - box[0], size[0], size[1])
    x = np.clip(0.5 * (box[0] + box[2]) - 0.5 * side, 0, size[1] - side)
    y = np.clip(0.5 * (box[1] + box[3]) - 0.5 * side, 0, size[0] - side)
    return np.array([x, y, x + side, y + side])


def psnr_in_face(photo: Photo, fitted: Fitted, bust: Bust) -> float:
    """dB at `FACE_PX` over the face: inside the outline, less the hair that hangs before it."""
    box = inside(face_box(photo.landmarks, 0.08), photo.image.shape[:2])
    camera = window_camera(fitted.camera, photo.image.shape[:2], box)
    frame = render_bust(bust, camera, size=FACE_PX, light=fitted.light, background=BACKGROUND)
    outline = (photo.landmarks[[*CONTOUR]] - box[:2]) / (box[2] - box[0]) * FACE_PX
    mask = polygon2mask((FACE_PX, FACE_PX), outline[:, ::-1]) & ~hair_in(photo, box)
    gap = frame.rgba[..., :3][mask] - crop(photo.image, box, FACE_PX)[mask] / 255.0
    return float(-10.0 * np.log10((gap**2).mean()))


def hair_in(photo: Photo, box: np.ndarray) -> np.ndarray:
    """(FACE_PX, FACE_PX) bool, where the photo shows hair before the face."""
    landmarks = photo.landmarks.astype(np.float64)
    to_window = np.linalg.inv(window_transform(landmarks))
    regions, _ = read_photo(photo)
    at = (np.arange(FACE_PX) + 0.5) / FACE_PX * (box[2] - box[0])
    x, y = np.meshgrid(at + box[0], at + box[1])
    column = (to_window[0, 0] * x + to_window[0, 1] * y + to_window[0, 2]).astype(int)
    row = (to_window[1, 0] * x + to_window[1, 1] * y + to_window[1, 2]).astype(int)
    last = regions.hair.shape[0] - 1
    return regions.hair[np.clip(row, 0, last), np.clip(column, 0, last)]


def redetected(bust: Bust, camera: Camera, size: int, **options: object) -> float | None:
    """Mean distance of detections on a render to the model's own landmarks, in IOD."""
    frame = render_bust(bust, camera, size=size, background=BACKGROUND, **options)  # type: ignore[arg-type]
    faces = find_faces(as_uint8(frame.rgba[..., :3]))
    return reprojection_error(frame.landmarks, faces[0][:, :2]) if faces else None


def measure(folder: Path, *, every: int = 1) -> list[Metric]:
    """Of every n-th photo of a folder."""
    files = photos_in(folder)[::every]
    rows = []
    for path in files:
        try:
            rows.append(fit_one(align(path), path.stem)[0])
        except PhotoError as error:
            print(f"{path.name}: refused, {error}")
    return metrics_from(summary(rows, len(files)), REPORTED)


def photos_in(folder: Path) -> list[Path]:
    """Sorted by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".png"))


def fit_one(photo: Photo, name: str) -> tuple[Row, Fitted, Bust]:
    """Fit one photo and take all figures."""
    start = time.perf_counter()
    fitted = fit_photo(photo)
    seconds = time.perf_counter() - start
    posed = build_bust(fitted.parameters, expression=fitted.expression, albedo=fitted.albedo)
    rest = replace(posed, expression={})
    neutral = build_bust(fitted.parameters, albedo=fitted.albedo)
    rest = replace(rest, landmarks=neutral.landmarks)
    box = inside(face_box(photo.landmarks, 0.5), photo.image.shape[:2])
    at_photo = window_camera(fitted.camera, photo.image.shape[:2], box)
    p = fitted.parameters
    row = Row(
        name=name,
        reprojection=100 * fitted.residual,
        front=_percent(redetected(rest, portrait_camera(rest), 512)),
        photo_camera=_percent(redetected(posed, at_photo, 512, light=fitted.light)),
        psnr=psnr_in_face(photo, fitted, posed),
        seconds=seconds,
        stages=dict(fitted.seconds),
        choices={
            "hair": p.hair_style,
            "beard": p.beard_style,
            "glasses": p.glasses_style,
            "neckline": p.neckline,
        },
    )
    return row, fitted, posed


def _percent(value: float | None) -> float | None:
    return None if value is None else 100.0 * value


def sheet_row(photo: Photo, fitted: Fitted, posed: Bust) -> np.ndarray:
    """(TILE, 6 TILE, 3) uint8."""
    size = photo.image.shape[:2]
    box = inside(face_box(photo.landmarks, 0.55), size)
    camera = window_camera(fitted.camera, size, box)
    picture = crop(photo.image, box, TILE)
    frame = render_bust(posed, camera, size=TILE, light=fitted.light, background=BACKGROUND)
    alpha = render_bust(posed, camera, size=TILE, light=fitted.light).rgba
    overlay = picture / 255.0 * (1 - alpha[..., 3:]) + alpha[..., :3] * alpha[..., 3:]
    tiles = [picture, as_uint8(overlay), as_uint8(frame.rgba[..., :3])]
    rest = replace(posed, expression={})
    for yaw in (0.0, 0.6, 1.35):
        view = portrait_camera(rest, yaw=yaw)
        tiles.append(
            as_uint8(render_bust(rest, view, size=TILE, background=BACKGROUND).rgba[..., :3])
        )
    return np.concatenate(tiles, axis=1)


def summary(rows: list[Row], photos: int) -> dict[str, float]:
    """Means over photos."""

    def mean(values: list[float | None]) -> float:
        known = [v for v in values if v is not None]
        return float(np.mean(known)) if known else float("nan")

    return {
        "photos": photos,
        "accepted_percent": 100.0 * len(rows) / max(photos, 1),
        "reprojection_percent": mean([r.reprojection for r in rows]),
        "reprojection_worst_percent": max((r.reprojection for r in rows), default=float("nan")),
        "front_redetected_percent": mean([r.front for r in rows]),
        "photo_camera_redetected_percent": mean([r.photo_camera for r in rows]),
        "front_detected_share": float(np.mean([r.front is not None for r in rows])),
        "psnr_db": mean([r.psnr for r in rows]),
        "psnr_share_over_22": float(np.mean([r.psnr >= 22.0 for r in rows])),
        "seconds": mean([r.seconds for r in rows]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every n-th photo")
    parser.add_argument("--names", nargs="*", default=None)
    parser.add_argument("--out", type=Path, default=None, help="JSON")
    parser.add_argument("--sheet", type=Path, default=None, help="folder for contact sheets")
    parser.add_argument("--sheet-photos", type=int, default=12)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    console = Console()
    files = photos_in(options.folder)[:: options.every]
    if options.names:
        files = [p for p in files if p.stem in options.names]
    rows, strips = [], []
    for path in files:
        try:
            photo = align(path)
        except PhotoError as error:
            console.print(f"{path.name}: refused, {error}")
            continue
        row, fitted, posed = fit_one(photo, path.stem)
        rows.append(row)
        console.print(_line(row))
        if options.sheet and len(strips) < options.sheet_photos:
            strips.append(sheet_row(photo, fitted, posed))
    if options.sheet and strips:
        options.sheet.mkdir(parents=True, exist_ok=True)
        for first in range(0, len(strips), 6):
            sheet = np.concatenate(strips[first : first + 6])
            Image.fromarray(sheet).save(options.sheet / f"fit_{first // 6}.png")
    result = summary(rows, len(files))
    table = Table("figure", "value", title=f"fit, {platform.machine()} {platform.processor()}")
    for key, value in result.items():
        table.add_row(key, f"{value:.2f}")
    console.print(table)
    if options.out:
        text = json.dumps({"summary": result, "rows": [asdict(r) for r in rows]}, indent=1)
        options.out.write_text(text)


def _line(row: Row) -> str:
    def number(value: float | None) -> str:
        return "none" if value is None else f"{value:.2f}"

    return (
        f"{row.name}: reprojection {row.reprojection:.2f} % front {number(row.front)} % "
        f"photo camera {number(row.photo_camera)} % psnr {row.psnr:.1f} dB {row.seconds:.1f} s "
        + " ".join(row.choices.values())
    )


if __name__ == "__main__":
    main()
