"""A target domain's images as a training run needs them, and its camera distribution.

folder of adapt prepare: 00000.webp …, cameras.json ─▶ images, and cameras drawn from M(θ, φ, c, r)
Letters: B images of a batch, R side of an image.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.adapt.cameras import FILE, Cameras
from portraiture.data.folders import FolderData, open_folder
from portraiture.errors import TrainingError
from portraiture.media import IMAGE_SUFFIXES, atomic_path
from portraiture.people.people import view_angles

SOURCE_PEOPLE = 64
IMAGES = "images.zip"
"""Name of the packed images in a bundle."""


@dataclass(frozen=True)
class StyleImages:
    """Endless batches. images: with the cameras that alignment found for them, or zeros where it
    aligned a 2D generator's samples. cameras: those from which G_t is rendered."""

    images: FolderData
    cameras: Cameras

    def batch(
        self, number: int, size: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "B 3 R R"], Float[Tensor, "B 25"], Float[Tensor, "B 25"]]:
        """Images in [-1, 1] of the `number`-th batch, the cameras recovered for them, and cameras
        drawn from the domain's."""
        images, own = self.images.batch(number, size, generator)
        return images, own, self.cameras.vectors(self.cameras.sample(size, generator))


def open_style_images(
    folder: Path, *, size: int, mirror: bool = True, seed: int = 0
) -> StyleImages:
    """Open a folder of `adapt prepare`. size: side to which images are resized. mirror: also use
    mirrored images and cameras. Raises TrainingError."""
    if not (folder / FILE).is_file():
        raise TrainingError(
            f"{folder} has no {FILE}; make it with portraiture adapt prepare --images DIR --out"
            f" {folder}."
        )
    cameras = Cameras.load(folder / FILE)
    images = open_folder(folder, size=size, mirror=mirror, cameras=False, seed=seed)
    if len(images) == len(cameras.angles):
        table = cameras.vectors(torch.tensor(cameras.angles)).double().numpy()
        images = replace(images, cameras=table)
    if mirror:
        both = (*cameras.angles, *((-yaw, pitch) for yaw, pitch in cameras.angles))
        _, y, z = cameras.pivot
        cameras = Cameras(both, (0.0, y, z), cameras.radius)
    return StyleImages(images, cameras)


def source_cameras() -> Cameras:
    """Cameras as those of the data of `heads` (`people.people.view_angles`), for the ablation
    without alignment."""
    table = np.concatenate([view_angles(4, seed) for seed in range(SOURCE_PEOPLE)])
    return Cameras(tuple((float(yaw), float(pitch)) for yaw, pitch in table))


def is_prepared(folder: Path) -> bool:
    """Whether a folder is one of `adapt prepare`."""
    return (folder / FILE).is_file()


def pack_images(folder: Path, path: Path, *, limit_bytes: int) -> int:
    """Put as many of a prepared folder's images as fit, in order, and their cameras into one file;
    the number of images. Raises TrainingError."""
    cameras, size, chosen = Cameras.load(folder / FILE), (folder / FILE).stat().st_size, []
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    for image in found:
        size += image.stat().st_size + 200
        if size > limit_bytes:
            break
        chosen.append(image)
    of_images = len(cameras.angles) == len(found)
    kept = replace(cameras, angles=cameras.angles[: len(chosen)]) if of_images else cameras
    with atomic_path(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        _put(archive, FILE, kept.to_json().encode())
        for image in chosen:
            _put(archive, image.name, image.read_bytes())
    return len(chosen)


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a file; a fixed time stamp makes equal folders equal files."""
    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)


def unpack_images(path: Path, folder: Path) -> int:
    """Unpack what `pack_images` wrote; the number of images. Raises TrainingError."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if any(name != Path(name).name for name in names):
                raise TrainingError(f"{path} was not written by pack_images.")
            for name in names:
                (folder / name).write_bytes(archive.read(name))
    except (OSError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} holds no packed images: {error}.") from error
    return len(names) - 1
