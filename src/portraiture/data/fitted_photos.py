"""Photos of real people with latents that come near them: the engine was fitted to each.

portrait ─align, fit─▶ parameters ─find_latent─▶ z ─┐
portrait ─align, matte─▶ crop, alpha ───────────────┴─▶ .safetensors ─mirror, distort─▶ photos
What the fit says of a person is rough; it is what there is of pictures that no engine drew.
Letters: K portraits, B photos, S side of a photo, n side of a crop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from portraiture.align import align
from portraiture.data.distort import Distortion, distorted
from portraiture.data.drawn_photos import DrawnBatch
from portraiture.data.face_set import FaceBatch
from portraiture.data.find_latent import find_latent
from portraiture.data.latent import GROUP_SLOTS, LATENT_SIZE, Person
from portraiture.errors import PortraitureError, TrainingError
from portraiture.fit.run import fit_photo
from portraiture.media import atomic_path

SIDE = 160
FARTHEST = 10.0
"""The largest number that a latent may have."""
SMALLEST = 0.1
"""Share of a crop that a head fills at least."""
Matte = Callable[[Float[Tensor, "1 3 n n"]], Float[Tensor, "1 1 n n"]]


@dataclass(frozen=True)
class FittedPhotos:
    """crops, alpha, z: of each portrait. backgrounds: that others get. how: they are taken."""

    crops: UInt8[Tensor, "K 3 n n"]
    alpha: UInt8[Tensor, "K 1 n n"]
    z: Float[Tensor, "K Z"]
    backgrounds: UInt8[Tensor, "J 3 n n"]
    how: Distortion

    def draw(self, size: int, generator: torch.Generator) -> DrawnBatch:
        """Photos of `size` of the portraits, half of them mirrored; none for 0."""
        if not size:
            photo = torch.zeros(0, 3, self.how.size, self.how.size)
            return DrawnBatch(photo, torch.zeros(0, LATENT_SIZE))
        index = torch.randint(len(self.z), (size,), generator=generator)
        flip, own = torch.rand(2, size, generator=generator) < 0.5
        crops, alpha = self.crops[index], self.alpha[index].clone()
        alpha[own] = 255
        over = 255.0 + (alpha.float() / 255.0) * (crops.float() - 255.0)
        images = over.round().to(torch.uint8)
        images[flip], alpha[flip] = images[flip].flip(-1), alpha[flip].flip(-1)
        z = torch.where(flip[:, None], mirrored_latents(self.z[index]), self.z[index])
        labels = torch.zeros(size, *images.shape[2:], dtype=torch.uint8)
        seed = int(torch.randint(1 << 62, (), generator=generator))
        batch = FaceBatch(images, alpha, labels, index)
        photo = distorted(batch, self.how, self.backgrounds, np.random.default_rng(seed))[0]
        return DrawnBatch(photo, z)


def mirrored_latents(z: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
    """Of the same people in a mirror: hair is parted on the other side, all else is even."""
    first, last = GROUP_SLOTS["parting"]
    mirrored = z.clone()
    mirrored[:, first:last] = z[:, first:last].flip(1)
    return mirrored


def fit_portraits(
    paths: Sequence[Path], out: Path, matte: Matte, *, advance: Callable[[], None] = lambda: None
) -> int:
    """Align and fit portraits and write what training needs; how many could be used.

    matte: who is in front (`invert.target.person_matte`). advance: called after each. Raises
    TrainingError if none can be used.
    """
    crops, alphas, latents = [], [], []
    for path in paths:
        try:
            photo = align(path)
            fitted = fit_photo(photo)
        except PortraitureError:
            advance()
            continue
        whole = torch.from_numpy(photo.crop.copy()).permute(2, 0, 1)[None].float()
        small = F.interpolate(whole, (SIDE, SIDE), mode="bilinear", antialias=True)
        alpha = matte(small / 127.5 - 1.0)[0]
        if float((alpha > 0.5).float().mean()) < SMALLEST:
            advance()
            continue
        crops.append(small[0].round().clamp(0, 255).to(torch.uint8).numpy())
        alphas.append((alpha * 255.0).round().to(torch.uint8).numpy())
        latents.append(find_latent(Person(fitted.parameters, fitted.expression)))
        advance()
    if not crops:
        raise TrainingError("None of the pictures is a portrait that the engine can be fitted to.")
    arrays = {"crops": crops, "alpha": alphas, "z": latents}
    tensors = {name: torch.from_numpy(np.stack(parts)) for name, parts in arrays.items()}
    with atomic_path(out) as partial:
        save_file(tensors, partial)
    return len(crops)


def load_fitted(path: Path, backgrounds: UInt8[Tensor, "J 3 S S"], how: Distortion) -> FittedPhotos:
    """What `fit_portraits` wrote. Raises TrainingError on anything else."""
    shapes = {"crops": (3, SIDE, SIDE), "alpha": (1, SIDE, SIDE), "z": (LATENT_SIZE,)}
    kinds = {"crops": torch.uint8, "alpha": torch.uint8, "z": torch.float32}
    try:
        found = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise TrainingError(f"{path} is not what tools/fit_portraits.py writes.") from error
    count = len(found.get("z", ()))
    whole = count > 0 and {name: x.dtype for name, x in found.items()} == kinds
    whole = whole and all(found[name].shape == (count, *shape) for name, shape in shapes.items())
    if not whole or not bool((found["z"].abs() <= FARTHEST).all()):
        raise TrainingError(f"{path} is not what tools/fit_portraits.py writes.")
    behind = F.interpolate(backgrounds.float(), (SIDE, SIDE), mode="bilinear", antialias=True)
    crops, alpha, z = (found[name] for name in shapes)
    return FittedPhotos(crops, alpha, z, behind.round().to(torch.uint8), how)
