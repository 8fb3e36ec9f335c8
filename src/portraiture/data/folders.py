"""Folders of images with cameras in EG3D's format (dataset.json).

dataset.json: ``{"labels": [["some/image.png", [25 numbers]], …]}``; the numbers are a camera
(`camera.to_eg3d`). Letters: B images of a batch, R side of an image in pixels.
"""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from PIL import Image
from torch import Tensor

from portraiture.camera import join_eg3d, split_eg3d
from portraiture.errors import TrainingError
from portraiture.media import read_image
from portraiture.people.pairs import load_pair, pairs_in
from portraiture.people.people_file import people_in, read_arrays

MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])
FLIP = np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
"""World x → -x; image x → 1 - x."""

LABELS = "dataset.json"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class FolderData:
    """Endless batches of a folder's images.

    names: relative to `folder`. cameras: (number of images, 25). size: side in pixels to which
    images are resized. mirror: flip each image left-right with probability 0.5, with its camera.
    seed: of the order. workers: number of decoding threads. people: whether names are those of
    views in files of people, ``person_00017.npz/2``.
    """

    folder: Path
    names: tuple[str, ...]
    cameras: Float[ndarray, "N 25"] = field(repr=False)
    size: int
    mirror: bool = False
    seed: int = 0
    workers: int = 2
    people: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def batch(
        self, number: int, size: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "B 3 R R"], Float[Tensor, "B 25"]]:
        """Images in [-1, 1] and cameras of the `number`-th batch of `size`.

        Every epoch contains each image once, in an order that depends on the seed and the epoch;
        only the flips use `generator`. Raises PhotoError, DataError or TrainingError if an image
        cannot be used.
        """
        places = range(number * size, (number + 1) * size)
        n = len(self.names)
        indices = [int(_order(self.seed, place // n, n)[place % n]) for place in places]
        with ThreadPoolExecutor(self.workers) as pool:
            images = np.stack(list(pool.map(self.image, indices)))
        cameras = self.cameras[indices]
        if self.mirror:
            flips = (torch.rand(size, generator=generator) < 0.5).numpy()
            images[flips] = images[flips][:, :, ::-1]
            cameras = np.where(flips[:, None], mirrored(cameras), cameras)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float()
        return pixels / 127.5 - 1, torch.from_numpy(np.ascontiguousarray(cameras)).float()

    def image(self, index: int) -> ndarray:
        """One image, (R, R, 3) uint8."""
        path = self.folder / self.names[index]
        pixels = _view(path) if self.people else read_image(path)
        height, width = pixels.shape[:2]
        if height != width:
            raise TrainingError(f"{path} is {width} by {height} pixels; crop the images square.")
        if height == self.size:
            return pixels
        picture = Image.fromarray(pixels)
        return np.asarray(picture.resize((self.size, self.size), Image.Resampling.LANCZOS))


def open_folder(
    folder: Path,
    *,
    size: int,
    mirror: bool = False,
    cameras: bool = True,
    seed: int = 0,
    workers: int = 2,
) -> FolderData:
    """Open a folder with dataset.json, or of people (`people.people_file`); with ``cameras=False``
    also the normalised renders of a folder of pairs (`people.pairs`) or, with none of these, all
    images in it and below (cameras are zeros).

    Raises TrainingError or DataError if the folder, its list, a camera or an image is missing or
    malformed.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder} is not a folder; --data takes one with images.")
    people, pairs = people_in(folder), [] if cameras else pairs_in(folder)
    if people and (folder / LABELS).is_file():
        raise TrainingError(f"{folder} holds both a {LABELS} and people's files; keep one of them.")
    if people:
        names, table = _people_views(people)
    elif pairs:
        names, table = [f"{path.name}/0" for path in pairs], np.zeros((len(pairs), 25))
    elif not cameras and not (folder / LABELS).is_file():
        found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        names = [str(p.relative_to(folder)) for p in found]
        table = np.zeros((len(names), 25))
    else:
        names, table = _read_labels(folder)
    if not names:
        raise TrainingError(f"{folder} holds no images (PNG, JPEG or WebP).")
    return FolderData(
        folder, tuple(names), table, size, mirror, seed, workers, bool(people or pairs)
    )


def _people_views(paths: list[Path]) -> tuple[list[str], Float[ndarray, "N 25"]]:
    tables = [read_arrays(path, ["cameras"])["cameras"] for path in paths]
    names = [
        f"{path.name}/{view}"
        for path, table in zip(paths, tables, strict=True)
        for view in range(len(table))
    ]
    return names, np.concatenate(tables).astype(np.float64)


def _view(path: Path) -> ndarray:
    if path.parent.name.startswith("pair_"):
        return load_pair(path.parent).rgb[int(path.name)]
    return read_arrays(path.parent, ["cameras", "rgb"])["rgb"][int(path.name)]


def mirrored(cameras: Float[ndarray, "... 25"]) -> Float[ndarray, "... 25"]:
    """Cameras of the mirrored world (x → -x) whose images are the flipped ones.

    With M = diag(-1, 1, 1, 1) the pose becomes M T M; the intrinsics F K M, where F flips images.
    """
    pose, intrinsics = split_eg3d(cameras)
    pose, intrinsics = MIRROR @ pose @ MIRROR, FLIP @ intrinsics @ MIRROR[:3, :3]
    return join_eg3d(pose, intrinsics)


def _read_labels(folder: Path) -> tuple[list[str], Float[ndarray, "N 25"]]:
    path = folder / LABELS
    if not path.is_file():
        raise TrainingError(f"{folder} has no dataset.json, which lists images and cameras.")
    try:
        labels = json.loads(path.read_text())["labels"]
        pairs = list(labels.items() if isinstance(labels, dict) else labels)
        names = [str(name) for name, _ in pairs]
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f'{path} is not EG3D\'s list: {{"labels": [["image.png", [25 numbers]], …]}}.'
        ) from error
    for name, camera in pairs:
        _check(folder, name, camera)
    return names, np.array([camera for _, camera in pairs], np.float64).reshape(-1, 25)


def _check(folder: Path, name: str, camera: Any) -> None:
    numbers = isinstance(camera, list) and len(camera) == 25
    if not numbers or not all(isinstance(x, int | float) and math.isfinite(x) for x in camera):
        raise TrainingError(f"The camera of {name} in {folder}/dataset.json is not 25 numbers.")
    outside = Path(name).is_absolute() or ".." in Path(name).parts
    if outside or not (folder / name).is_file():
        raise TrainingError(f"{name}, listed in {folder}/dataset.json, is not in that folder.")


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> ndarray:
    return np.random.default_rng((seed, epoch)).permutation(count)
