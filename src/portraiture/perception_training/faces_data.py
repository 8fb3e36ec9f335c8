"""Endless batches of synthetic faces for training the supporting networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from portraiture.data.distort import Distortion, background_pool, distorted
from portraiture.data.face_set import FaceSet, load_faces

BACKGROUNDS = 256


@dataclass(frozen=True)
class FaceData:
    """faces: in memory. backgrounds: behind cut-outs. A batch is a pure function of its arguments,
    but depends on how many people the folders hold."""

    faces: FaceSet
    backgrounds: UInt8[Tensor, "K 3 n n"]

    def batch(
        self, size: int, how: Distortion, generator: torch.Generator, *, pairs: bool = False
    ) -> tuple[Float[Tensor, "B 3 m m"], Int[Tensor, "B m m"], Int[Tensor, "B"]]:
        """Distorted faces in [-1, 1], their labels, and who they are (rows of the set). pairs: two
        views of each person, first all first ones (`FaceSet.sample_pairs`)."""
        sample = self.faces.sample_pairs if pairs else self.faces.sample
        faces = sample(size, generator)
        seed = int(torch.randint(1 << 62, (), generator=generator))
        images, labels = distorted(faces, how, self.backgrounds, np.random.default_rng(seed))
        return images, labels, faces.person


def open_faces(
    folders: Sequence[Path], *, size: int = 128, limit: int | None = None, seed: int = 0
) -> FaceData:
    """Read folders of synthetic people (see `data.face_set.load_faces`). Raises DataError."""
    return FaceData(
        load_faces(folders, size=size, limit=limit), background_pool(BACKGROUNDS, size, seed)
    )
