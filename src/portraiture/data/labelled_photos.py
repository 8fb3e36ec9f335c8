"""Portraits with a class for each pixel and annotated looks, for training a face parser.

LabelledPhotos ⇄ .safetensors: WebP images and PNG labels, one after the other
Letters: K images, n pixels a side, A looks (`perception.looks.NAMES`).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int8, UInt8
from numpy import ndarray
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from portraiture.data.face_set import FaceSet
from portraiture.errors import TrainingError
from portraiture.media import atomic_path
from portraiture.perception.looks import LOOKS, NAMES
from portraiture.types import Segment

UNKNOWN = 255
"""Label of a pixel without loss."""
QUALITY = 80
"""Of the WebP images."""
HELD = "held"
"""Folder of the images that stay out of training, within that of the others."""
WHOLE = (0.5, 0.5, 1.0)
"""Frame of an image that is an EG3D crop itself."""


@dataclass(frozen=True)
class LabelledPhotos:
    """images over white where alpha is below 255. labels: of `Segment`, or UNKNOWN. frames: centre
    x, y and side of the EG3D crop, in sides of the image. looks: rows of `LOOKS`, -1 unknown.
    chance: how often each is sampled, relative to the others."""

    images: UInt8[Tensor, "K 3 n n"]
    alpha: UInt8[Tensor, "K 1 n n"]
    labels: UInt8[Tensor, "K n n"]
    frames: Float[Tensor, "K 3"]
    looks: Int8[Tensor, "K A"]
    chance: Float[Tensor, "K"]

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device) -> LabelledPhotos:
        return LabelledPhotos(*(getattr(self, name).to(device) for name in self.__annotations__))


@dataclass(frozen=True)
class LabelledPhoto:
    """One image; see `LabelledPhotos`."""

    image: UInt8[ndarray, "n n 3"]
    labels: UInt8[ndarray, "n n"]
    frame: Float32[ndarray, "3"]
    looks: Int8[ndarray, "A"]


def save_labelled(photos: Iterable[LabelledPhoto], out: Path) -> int:
    """Write images of equal sizes; returns their number. Raises TrainingError without any."""
    images, labels, frames, looks = [], [], [], []
    for photo in photos:
        images.append(_encoded(photo.image, "WEBP"))
        labels.append(_encoded(photo.labels, "PNG"))
        frames.append(photo.frame)
        looks.append(photo.looks)
    if not images:
        raise TrainingError("There are no labelled pictures to write.")
    tensors = {
        "frames": torch.from_numpy(np.stack(frames).astype(np.float32)),
        "looks": torch.from_numpy(np.stack(looks).astype(np.int8)),
    }
    for name, parts in (("images", images), ("labels", labels)):
        tensors[name] = torch.from_numpy(np.frombuffer(b"".join(parts), np.uint8).copy())
        tensors[f"{name}_bytes"] = torch.tensor([len(part) for part in parts], dtype=torch.int32)
    with atomic_path(out) as partial:
        save_file(tensors, partial)
    return len(images)


def load_labelled(path: Path) -> LabelledPhotos:
    """Read a file of `save_labelled`. Raises TrainingError on anything else."""
    try:
        found = load_file(path)
        images = _decoded(found["images"], found["images_bytes"])
        labels = _decoded(found["labels"], found["labels_bytes"])
        frames, looks = found["frames"].float(), found["looks"].to(torch.int8)
        pictures, classes = torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(labels))
        _check(pictures, classes, frames, looks)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise TrainingError(
            f"{path} is not what tools/label_portraits.py writes: {error}."
        ) from error
    pictures = pictures.permute(0, 3, 1, 2).contiguous()
    alpha = torch.full_like(pictures[:, :1], 255)
    return LabelledPhotos(pictures, alpha, classes, frames, looks, _chances(looks))


def _check(pictures: Tensor, classes: Tensor, frames: Tensor, looks: Tensor) -> None:
    """Raises ValueError where a training would fail."""
    count, side = len(pictures), pictures.shape[1:2]
    found = [tuple(x.shape) for x in (pictures, classes, frames, looks)]
    if found != [(count, *side, *side, 3), (count, *side, *side), (count, 3), (count, len(NAMES))]:
        raise ValueError(f"its arrays have the shapes {found}")
    if bool(((classes >= len(Segment)) & (classes != UNKNOWN)).any()):
        raise ValueError("it has labels that are no segment")
    sizes = torch.tensor([len(LOOKS[name]) for name in NAMES])
    if bool(((looks < -1) | (looks >= sizes)).any()):
        raise ValueError("it has looks of no class")
    if not bool(torch.isfinite(frames).all()):
        raise ValueError("its frames are not finite")


def labelled_faces(faces: FaceSet) -> LabelledPhotos:
    """Synthetic faces, all views of all people; what they show at a glance is not known."""
    count, side = faces.labels.shape[0] * faces.labels.shape[1], faces.labels.shape[-1]
    images = torch.from_numpy(faces.images).reshape(count, side, side, 3).permute(0, 3, 1, 2)
    return LabelledPhotos(
        images=images.contiguous(),
        alpha=torch.from_numpy(faces.alpha).reshape(count, 1, side, side),
        labels=torch.from_numpy(faces.labels).reshape(count, side, side),
        frames=torch.tensor([WHOLE]).repeat(count, 1),
        looks=torch.full((count, len(NAMES)), -1, dtype=torch.int8),
        chance=torch.ones(count),
    )


def _chances(looks: Int8[Tensor, "K A"]) -> Float[Tensor, "K"]:
    """Images with seldom classes are sampled more often, at most eight times: by the square root
    of how much rarer their rarest class is than the commonest."""
    chance = torch.ones(len(looks))
    for column in looks.T.long():
        known = column >= 0
        if not known.any():
            continue
        counts = torch.bincount(column[known]).float()
        rarity = (counts.max() / counts.clamp_min(1.0)).sqrt().clamp_max(8.0)
        chance[known] = torch.maximum(chance[known], rarity[column[known]])
    return chance


def _encoded(picture: UInt8[ndarray, "n n *c"], kind: str) -> bytes:
    out = io.BytesIO()
    options = {"quality": QUALITY, "method": 4} if kind == "WEBP" else {"optimize": True}
    Image.fromarray(picture).save(out, kind, **options)
    return out.getvalue()


def _decoded(data: Tensor, lengths: Tensor) -> Sequence[ndarray]:
    def picture(piece: UInt8[ndarray, "k"]) -> UInt8[ndarray, "n n *c"]:
        return np.array(Image.open(io.BytesIO(piece.tobytes())))

    pieces = np.split(data.numpy(), lengths.long().cumsum(0).numpy()[:-1])
    with ThreadPoolExecutor() as pool:
        return list(pool.map(picture, pieces))
