"""A folder of people as training examples for the supervised recipes.

folder of person_*.npz ─▶ PeopleSet ─(person, view)─▶ Example: images, depth and cameras as tensors
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.errors import DataError, TrainingError
from portraiture.people.people_file import (
    PersonFile,
    PersonViews,
    load_person,
    open_person,
    people_in,
)
from portraiture.types import Segment

WEIGHTS: dict[int, float] = {
    Segment.BACKGROUND: 0.4, Segment.SKIN: 1.5, Segment.NOSE: 2.5, Segment.LEFT_EYE: 6.0,
    Segment.RIGHT_EYE: 6.0, Segment.LEFT_BROW: 2.5, Segment.RIGHT_BROW: 2.5, Segment.MOUTH: 4.0,
    Segment.UPPER_LIP: 4.0, Segment.LOWER_LIP: 4.0, Segment.HAIR: 0.7, Segment.NECK: 0.7,
    Segment.CLOTH: 0.4,
}  # fmt: skip
"""Loss weight of pixels of each class."""

EDGE = 0.03
"""Depth difference (EG3D units) above which neighbouring pixels belong to different surfaces."""


class Example(NamedTuple):
    """One view of each of B people; n is the neural resolution, R = 2n the images' side.

    z: latents, of the person or of the image (`PersonViews.image_latent`). camera: EG3D's 25
    numbers. image: in [-1, 1], over white. weight: loss weight of its pixels. small, small_weight:
    both at half the side. depth: along the rays through the centres of n² pixels, 0 for background.
    alpha: coverage of those pixels. solid: 1 where a single surface fills the pixel.
    """

    z: Float[Tensor, "B Z"]
    camera: Float[Tensor, "B 25"]
    image: Float[Tensor, "B 3 R R"]
    weight: Float[Tensor, "B 1 R R"]
    small: Float[Tensor, "B 3 n n"]
    small_weight: Float[Tensor, "B 1 n n"]
    depth: Float[Tensor, "B 1 n n"]
    alpha: Float[Tensor, "B 1 n n"]
    solid: Float[Tensor, "B 1 n n"]


class PeopleSet:
    """The people of a folder. A person's file is validated at first access and takes a few
    kilobytes of memory; views are read on demand."""

    def __init__(self, folder: Path, *, limit: int | None = None) -> None:
        self.paths = people_in(folder)[:limit]
        if not self.paths:
            raise TrainingError(
                f"{folder} holds no person_*.npz; make some with portraiture synth."
            )
        self._files: dict[int, PersonFile] = {}
        self._weights = weight_table()

    def __len__(self) -> int:
        return len(self.paths)

    def append(self, path: Path) -> None:
        """Append a person. Sampling depends on the number of people."""
        self.paths.append(path)

    @property
    def latent_size(self) -> int:
        """Size of an example's z."""
        return self._file(0).latent_size

    @property
    def side(self) -> int:
        """Side of the images, pixels."""
        return self._file(0).side

    def person(self, index: int) -> PersonViews:
        """Read all views of one person. Raises DataError when the file is damaged or its arrays
        do not match those of the first one."""
        self._file(index)
        return load_person(self.paths[index])

    def views(self, index: int) -> int:
        """Number of views of one person. Raises DataError as `person` does."""
        return self._file(index).views

    def view(self, index: int, view: int) -> PersonViews:
        """Read one view of one person, V = 1. Raises DataError as `person` does."""
        return self._file(index).view(view)

    def _file(self, index: int) -> PersonFile:
        if index not in self._files:
            file = open_person(self.paths[index])
            if index and (file.side, file.latent_size) != (self.side, self.latent_size):
                raise DataError(f"{self.paths[index]} is of another size or kind than the first.")
            self._files[index] = file
        return self._files[index]

    def sample(self, size: int, generator: torch.Generator) -> Example:
        """Sample one view each of `size` people, without replacement if there are enough."""
        order = torch.randperm(len(self), generator=generator)
        people = order.repeat(-(-size // len(self)))[:size].tolist()
        views = torch.randint(1 << 30, (size,), generator=generator).tolist()
        parts = [
            self.example(k, view % self.views(k)) for k, view in zip(people, views, strict=True)
        ]
        return Example(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))

    def example(self, index: int, view: int) -> Example:
        """One view of one person, B = 1."""
        person = self.view(index, view)
        image = torch.from_numpy(person.rgb[0]).permute(2, 0, 1)[None].float() / 127.5 - 1.0
        weight = torch.from_numpy(self._weights[person.segmentation[0]])[None, None]
        depth, solid = neural_depth(person.depth[0])
        alpha = torch.from_numpy(person.alpha[0])[None, None].float() / 255.0
        return Example(
            z=torch.from_numpy(person.image_latent(0))[None],
            camera=torch.from_numpy(person.cameras[0])[None],
            image=image,
            weight=weight,
            small=F.avg_pool2d(image, 2),
            small_weight=F.avg_pool2d(weight, 2),
            depth=depth,
            alpha=F.avg_pool2d(alpha, 2),
            solid=solid,
        )


def weight_table() -> Float[ndarray, "S"]:
    """`WEIGHTS` as a table indexed by segment; 1 for segments not listed."""
    table = np.full(max(Segment) + 1, 1.0, np.float32)
    for segment, weight in WEIGHTS.items():
        table[segment] = weight
    return table


def neural_depth(
    depth: Float[ndarray, "R R"],
) -> tuple[Float[Tensor, "1 1 n n"], Float[Tensor, "1 1 n n"]]:
    """Downsample depth by two: the mean of four pixels if they show a single surface, else the
    nearest depth. Also returns the mask of pixels with a single surface."""
    side = depth.shape[0] // 2
    four = depth.reshape(side, 2, side, 2).transpose(0, 2, 1, 3).reshape(side, side, 4)
    hit = four > 0
    nearest = np.where(hit, four, np.inf).min(-1)
    nearest = np.where(np.isfinite(nearest), nearest, 0.0)
    solid = hit.all(-1) & (four.max(-1) - nearest < EDGE)
    merged = np.where(solid, four.mean(-1), nearest)
    return (
        torch.from_numpy(merged.astype(np.float32))[None, None],
        torch.from_numpy(solid.astype(np.float32))[None, None],
    )
