"""Augmented photos of the engine's people, with ground truth.

person ─┬─one view─▶ new background, augmentation ─▶ photo
        │       └──▶ Example
        └─any view─▶ Example: image, depth, camera
Letters: B people, S side of a photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from portraiture.data.distort import Distortion, distorted
from portraiture.data.face_set import FaceBatch, shrunk, shrunk_labels
from portraiture.people.people_set import Example, PeopleSet

BACKGROUNDS = 256
TAKEN = Distortion(
    size=128, zoom=(0.97, 1.03), shift=0.01, turn=0.02, mirror=0.0, light=0.15, colour=0.5,
    grey=0.0, occlude=0.1, blur=0.3, grain=0.3, jpeg=0.3,
)  # fmt: skip
"""Augmentation that imitates aligned photos."""


class PhotoBatch(NamedTuple):
    """photo: in [-1, 1]. seen: the render it was made from. truth: a view of the same people,
    usually another one."""

    photo: Float[Tensor, "B 3 S S"]
    seen: Example
    truth: Example


@dataclass(frozen=True)
class PhotoSet:
    """people: their renders. backgrounds: for the photos, at their size n before cropping. how:
    augmentation of the photos."""

    people: PeopleSet
    backgrounds: UInt8[Tensor, "K 3 n n"]
    how: Distortion

    def sample(self, size: int, generator: torch.Generator) -> PhotoBatch:
        """Sample one photo and one view each of `size` people, without repetition if possible."""
        order = torch.randperm(len(self.people), generator=generator)
        chosen = order.repeat(-(-size // len(order)))[:size].tolist()
        pairs = torch.randint(1 << 30, (size, 2), generator=generator).tolist()
        faces, seen, truths = [], [], []
        for index, (first, second) in zip(chosen, pairs, strict=True):
            views = self.people.views(index)
            faces.append(self._face(index, first % views))
            seen.append(self.people.example(index, first % views))
            truths.append(self.people.example(index, second % views))
        seed = int(torch.randint(1 << 62, (), generator=generator))
        photos = self.taken(FaceBatch(*map(torch.cat, zip(*faces, strict=True))), seed)
        joined = (Example(*map(torch.cat, zip(*part, strict=True))) for part in (seen, truths))
        return PhotoBatch(photos, *joined)

    def taken(self, faces: FaceBatch, seed: int) -> Float[Tensor, "B 3 S S"]:
        """Augmented photos of faces."""
        return distorted(faces, self.how, self.backgrounds, np.random.default_rng(seed))[0]

    def _face(self, index: int, view: int) -> FaceBatch:
        person, side = self.people.view(index, view), self.backgrounds.shape[-1]
        images, alpha = shrunk(person.rgb, side), shrunk(person.alpha, side)
        labels = person.segmentation
        if labels.shape[1] != side:
            labels = shrunk_labels(labels, side)
        return FaceBatch(
            torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(),
            torch.from_numpy(alpha)[:, None],
            torch.from_numpy(labels),
            torch.tensor([index]),
        )
