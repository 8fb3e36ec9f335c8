"""From a folder of portraits in some style to what a training run reads.

image ─align─▶ crop ─portrait parser─▶ person over G_s's background ─K_d─▶ 00000.webp …,
cameras.json
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from portraiture.adapt.cameras import FILE, Cameras
from portraiture.adapt.keypoints import cameras_of_keypoints
from portraiture.errors import AdaptError, InversionError, PhotoError
from portraiture.media import IMAGE_SUFFIXES, read_image, staged_folder
from portraiture.meshing.head_mesh import pixels_of
from portraiture.metrics.landmarks import detect_face
from portraiture.models import Models, default_models
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.people.people_file import people_in, read_arrays
from portraiture.perception.portrait_parser import PortraitParser
from portraiture.perception.target import target_of_photo
from portraiture.photo.align import align
from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.types import as_uint8

QUALITY = 95
"""WebP quality of the images."""
MOST = 2_000
"""Images that are prepared from one folder."""


@dataclass(frozen=True)
class Prepared:
    """folder: the result. images: how many it has. refused: names of images without a usable face.
    cameras: of the domain, as recovered."""

    folder: Path
    images: int
    refused: tuple[str, ...]
    cameras: Cameras


def prepare_images(
    folder: Path, out: Path, *, network: str | Path = "heads", crops: bool = False,
    models: Models | None = None, overwrite: bool = False, progress: Progress = SILENT,
) -> Prepared:  # fmt: skip
    """Prepare the portraits of a folder, and recover their cameras, for the recipe style.

    folder: images in it and below, or people of synth, of which only the images are used. out: all
    files or none. network: G_s. crops: the images are square EG3D crops over its background
    already. Raises AdaptError, TrainingError where too few show a face, OutputError,
    CheckpointError.
    """
    models = models or default_models()
    generator, parser = models.generator(network), models.portrait_parser()
    names = list(_names(folder, crops))
    if not names:
        raise AdaptError(f"{folder} holds no images (PNG, JPEG or WebP).")
    encoded: list[bytes] = []
    seen: list[Tensor] = []
    refused: list[str] = []
    progress.stage("Prepare the images", len(names))
    for source, view in names:
        image = _image(source, view, generator, parser, crops=crops)
        found = None if image is None else detect_face(image)
        if image is None or found is None:
            refused.append(source.name)
        else:
            encoded.append(_webp(image))
            seen.append(torch.from_numpy(found / len(image)).float())
        progress.step()
        raise_if_cancelled(progress)
    progress.stage("Align the cameras")
    cameras = cameras_of_keypoints(generator, seen, asked=len(seen) + len(refused))
    files = [f"{k:05d}.webp" for k in range(len(encoded))]
    with staged_folder(out, [*files, FILE], overwrite=overwrite) as staged:
        for name, data in zip(files, encoded, strict=True):
            (staged / name).write_bytes(data)
        cameras.save(staged / FILE)
    return Prepared(out, len(encoded), tuple(refused), cameras)


def _names(folder: Path, crops: bool) -> Iterator[tuple[Path, int]]:
    """Images, and views of people, at most `MOST`."""
    if not folder.is_dir():
        raise AdaptError(f"{folder} is not a folder; --images takes one with portraits.")
    people = people_in(folder)
    if people:
        if not crops:
            raise AdaptError(f"{folder} holds people of synth; add --crops.")
        views = len(read_arrays(people[0], ["rgb"])["rgb"])
        yield from ((path, k) for path in people[: MOST // views] for k in range(views))
        return
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    yield from ((path, 0) for path in found[:MOST])


def _image(
    path: Path, view: int, generator: TriPlaneGenerator, parser: PortraitParser, *, crops: bool
) -> UInt8[ndarray, "R R 3"] | None:
    """One image as G_s would show it; None where there is no usable face."""
    side = generator.config.image_size
    if path.suffix == ".npz":
        return _sized(read_arrays(path, ["rgb"])["rgb"][view], side)
    try:
        if crops:
            pixels = read_image(path)
            return _sized(pixels, side) if pixels.shape[0] == pixels.shape[1] else None
        target = target_of_photo(align(path), generator, parser)
    except (PhotoError, InversionError):
        return None
    return as_uint8(pixels_of(target.image))


def _sized(image: UInt8[ndarray, "n n 3"], side: int) -> UInt8[ndarray, "R R 3"]:
    if len(image) == side:
        return image
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS))


def _webp(image: UInt8[ndarray, "R R 3"]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()


def truth_of_people(folder: Path) -> Float[ndarray, "N 2"]:
    """True yaw and pitch, radians, of every view of a folder of people, in the order of
    `prepare_images`; for evaluation alone."""
    found = []
    for path in people_in(folder):
        for camera in read_arrays(path, ["cameras", "rgb"])["cameras"]:
            forward = -camera[:16].reshape(4, 4)[:3, 2]
            found.append((np.arctan2(forward[0], forward[2]), np.arcsin(forward[1])))
    return np.array(found)
