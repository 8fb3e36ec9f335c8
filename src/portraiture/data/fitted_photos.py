"""Photos of real people with approximate latents from fits of the engine.

portrait ─align, fit─▶ parameters ─find_latent─▶ z ─┐
portrait ─align, matte─▶ crop, alpha, camera ───────┴─▶ .safetensors ─mirror, distort─▶ photos
The fits are rough labels, but the images are real.
Letters: K portraits, B photos, S side of a photo, n side of a crop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from portraiture.camera import to_eg3d
from portraiture.data.distort import Distortion, distorted
from portraiture.data.face_set import FaceBatch
from portraiture.data.folders import mirrored
from portraiture.errors import PortraitureError, TrainingError
from portraiture.fit.run import fit_photo
from portraiture.media import atomic_path
from portraiture.people.find_latent import find_latent
from portraiture.people.latent import GROUP_SLOTS, LATENT_SIZE, Person
from portraiture.photo.align import align
from portraiture.progress import SILENT, Progress, counted

SIDE = 160
FARTHEST = 10.0
"""Maximum absolute value in latents and cameras."""
CAMERA_SIZE = 25
SMALLEST = 0.1
"""Minimum share of a crop filled by the head."""
Matte = Callable[[Float[Tensor, "1 3 n n"]], Float[Tensor, "1 1 n n"]]


class Shown(NamedTuple):
    """image: a portrait over white, in [-1, 1]. person: its matte, in [0, 1]. camera: EG3D's 25
    numbers."""

    image: Float[Tensor, "B 3 n n"]
    person: Float[Tensor, "B 1 n n"]
    camera: Float[Tensor, "B 25"]


class FittedBatch(NamedTuple):
    """photo: input of an encoder, in [-1, 1]. z: approximate latents of the people. shown: the
    portrait itself."""

    photo: Float[Tensor, "B 3 S S"]
    z: Float[Tensor, "B Z"]
    shown: Shown


@dataclass(frozen=True)
class FittedPhotos:
    """crops, alpha, z, cameras: of each portrait. backgrounds: replacements for the photos' own.
    how: augmentation of the photos."""

    crops: UInt8[Tensor, "K 3 n n"]
    alpha: UInt8[Tensor, "K 1 n n"]
    z: Float[Tensor, "K Z"]
    cameras: Float[Tensor, "K 25"]
    backgrounds: UInt8[Tensor, "J 3 n n"]
    how: Distortion

    def sample(self, size: int, generator: torch.Generator) -> FittedBatch:
        """Augmented photos of `size` portraits, half of them mirrored."""
        index = torch.randint(len(self.z), (size,), generator=generator)
        flip, own = torch.rand(2, size, generator=generator) < 0.5
        crops, alpha = self.crops[index].clone(), self.alpha[index].clone()
        crops[flip], alpha[flip] = crops[flip].flip(-1), alpha[flip].flip(-1)
        person = alpha.float() / 255.0
        over = 255.0 + person * (crops.float() - 255.0)
        z = torch.where(flip[:, None], mirrored_latents(self.z[index]), self.z[index])
        cameras = self.cameras[index]
        turned = torch.from_numpy(mirrored(cameras.numpy())).to(cameras)
        camera = torch.where(flip[:, None], turned, cameras)
        photos = self._taken(crops, over, alpha, own, index, generator)
        return FittedBatch(photos, z, Shown(over / 127.5 - 1.0, person, camera))

    def _taken(
        self, crops: Tensor, over: Tensor, alpha: Tensor, own: Tensor, index: Tensor,
        generator: torch.Generator,
    ) -> Float[Tensor, "B 3 S S"]:  # fmt: skip
        """Augmented photos, with their `own` backgrounds or others."""
        images = torch.where(own[:, None, None, None], crops, over.round().to(torch.uint8))
        alpha = torch.where(own[:, None, None, None], 255, alpha).to(torch.uint8)
        labels = torch.zeros(len(index), *images.shape[2:], dtype=torch.uint8)
        seed = int(torch.randint(1 << 62, (), generator=generator))
        batch = FaceBatch(images, alpha, labels, index)
        return distorted(batch, self.how, self.backgrounds, np.random.default_rng(seed))[0]


def mirrored_latents(z: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
    """Latents of the mirrored people: the hair's parting changes sides, all else is symmetric."""
    first, last = GROUP_SLOTS["parting"]
    mirrored = z.clone()
    mirrored[:, first:last] = z[:, first:last].flip(1)
    return mirrored


def fit_portraits(
    paths: Sequence[Path], out: Path, matte: Matte, *, progress: Progress = SILENT
) -> int:
    """Align and fit portraits and write a training file; returns the number of usable portraits.

    matte: segments the person (`perception.target.person_matte`). Raises TrainingError if no
    portrait is usable.
    """
    crops, alphas, latents, cameras = [], [], [], []
    progress.stage("Fit portraits", len(paths))
    for path in counted(paths, progress):
        try:
            photo = align(path)
            fitted = fit_photo(photo)
        except PortraitureError:
            continue
        whole = torch.from_numpy(photo.crop.copy()).permute(2, 0, 1)[None].float()
        small = F.interpolate(whole, (SIDE, SIDE), mode="bilinear", antialias=True)
        alpha = matte(small / 127.5 - 1.0)[0]
        if float((alpha > 0.5).float().mean()) < SMALLEST:
            continue
        crops.append(small[0].round().clamp(0, 255).to(torch.uint8).numpy())
        alphas.append((alpha * 255.0).round().to(torch.uint8).numpy())
        latents.append(find_latent(Person(fitted.parameters, fitted.expression)))
        cameras.append(to_eg3d(photo.camera).astype(np.float32))
    if not crops:
        raise TrainingError("None of the pictures is a portrait that the engine can be fitted to.")
    arrays = {"crops": crops, "alpha": alphas, "z": latents, "camera": cameras}
    tensors = {name: torch.from_numpy(np.stack(parts)) for name, parts in arrays.items()}
    with atomic_path(out) as partial:
        save_file(tensors, partial)
    return len(crops)


def load_fitted(path: Path, backgrounds: UInt8[Tensor, "J 3 S S"], how: Distortion) -> FittedPhotos:
    """Load a file written by `fit_portraits`. Raises TrainingError for any other file."""
    shapes = {"crops": (3, SIDE, SIDE), "alpha": (1, SIDE, SIDE), "z": (LATENT_SIZE,)}
    shapes |= {"camera": (CAMERA_SIZE,)}
    kinds = {"crops": torch.uint8, "alpha": torch.uint8, "z": torch.float32}
    kinds |= {"camera": torch.float32}
    try:
        found = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise TrainingError(f"{path} is not what tools/fit_portraits.py writes.") from error
    count = len(found.get("z", ()))
    whole = count > 0 and {name: x.dtype for name, x in found.items()} == kinds
    whole = whole and all(found[name].shape == (count, *shape) for name, shape in shapes.items())
    near = whole and all(bool((found[k].abs() <= FARTHEST).all()) for k in ("z", "camera"))
    if not near:
        raise TrainingError(f"{path} is not what tools/fit_portraits.py writes.")
    behind = F.interpolate(backgrounds.float(), (SIDE, SIDE), mode="bilinear", antialias=True)
    crops, alpha, z, cameras = (found[name] for name in shapes)
    return FittedPhotos(crops, alpha, z, cameras, behind.round().to(torch.uint8), how)
