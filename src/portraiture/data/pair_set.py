"""Pairs of avatar vectors and images (`people.pairs`) as batches for training.

folder of pair_*.npz ─(avatar)─┬─▶ vector, normalised render, its labels
                               └─one photo─▶ augmentation over white ─▶ photo
Letters: B avatars, D length of a vector, n side of the renders, m of the photos.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from portraiture.data.distort import Distortion, distorted
from portraiture.data.face_set import FaceBatch
from portraiture.data.labelled_photos import LabelledPhotos
from portraiture.errors import DataError, TrainingError
from portraiture.people.pairs import Pair, load_pair, pairs_in, style_of
from portraiture.types import Segment

PHOTOGRAPHED = Distortion(
    size=128, zoom=(0.97, 1.03), shift=0.01, turn=0.02, mirror=0.0, light=0.15, colour=0.5,
    grey=0.02, occlude=0.05, blur=0.4, grain=0.3, jpeg=0.3,
)  # fmt: skip
"""Augmentation that makes renders more like aligned photos whose background is cut out."""
KEPT = 600_000_000
"""Bytes of pairs kept in memory: about 2,400 of three images of 128 pixels each."""
MEASURED = 1_000
"""Number of vectors from which `PairSet.spread` is taken."""


class PairBatch(NamedTuple):
    """vector: strict. normal: normalised renders in [-1, 1], over white. photo: in [-1, 1], over
    white."""

    vector: Float[Tensor, "B D"]
    normal: Float[Tensor, "B 3 n n"]
    photo: Float[Tensor, "B 3 m m"]


class PairSet:
    """The pairs of a folder; files are read on demand, and up to `KEPT` bytes stay in memory. how:
    augmentation of the photos. style: of the normalised renders."""

    def __init__(
        self, folder: Path, *, how: Distortion = PHOTOGRAPHED, limit: int | None = None
    ) -> None:
        self.paths = pairs_in(folder)[:limit]
        if not self.paths:
            raise TrainingError(
                f"{folder} holds no pair_*.npz; make some with portraiture synth --kind pairs."
            )
        self._kept: dict[int, Pair] = {}
        self._bytes = 0
        first = load_pair(self.paths[0])
        self.side, self.style = first.rgb.shape[1], style_of(folder)
        if len(first.rgb) < 2:
            raise TrainingError(f"{folder} has pairs without photos; make some with --views.")
        self.how = replace(how, size=self.side)

    def __len__(self) -> int:
        return len(self.paths)

    def pair(self, index: int) -> Pair:
        """Read one pair. Raises DataError when the file is damaged."""
        known = self._kept.get(index)
        if known is None:
            known = load_pair(self.paths[index])
            if known.rgb.shape[1] != self.side or len(known.rgb) < 2:
                raise DataError(f"{self.paths[index]} is of another size than the first pair.")
            if self._bytes < KEPT:
                self._bytes += known.rgb.nbytes + 2 * known.alpha.nbytes
                self._kept[index] = known
        return known

    def append(self, path: Path) -> None:
        """Append a pair. Sampling depends on the number of pairs."""
        self.paths.append(path)

    def sample(self, size: int, generator: torch.Generator) -> PairBatch:
        """Sample `size` avatars, without replacement if there are enough, and a photo of each."""
        known = len(self)
        order = torch.randperm(known, generator=generator)
        chosen = order.repeat(-(-size // known))[:size].tolist()
        numbers = torch.randint(1 << 30, (size,), generator=generator).tolist()
        pairs = [self.pair(index) for index in chosen]
        views = [1 + k % (len(pair.rgb) - 1) for pair, k in zip(pairs, numbers, strict=True)]
        seed = int(torch.randint(1 << 62, (), generator=generator))
        return PairBatch(
            vector=torch.from_numpy(np.stack([pair.vector for pair in pairs])),
            normal=as_signed(np.stack([pair.rgb[0] for pair in pairs])),
            photo=self._photos(pairs, views, seed),
        )

    def example(self, index: int) -> PairBatch:
        """One avatar, B = 1, and its first photo as rendered."""
        pair = self.pair(index)
        return PairBatch(
            vector=torch.from_numpy(pair.vector)[None],
            normal=as_signed(pair.rgb[:1]),
            photo=as_signed(pair.rgb[1:2]),
        )

    def spread(self) -> tuple[Float[Tensor, "D"], Float[Tensor, "D"]]:
        """Mean and standard deviation of the first vectors of the folder."""
        vectors = np.stack([self.pair(k).vector for k in range(min(len(self), MEASURED))])
        known = torch.from_numpy(vectors)
        return known.mean(0), known.std(0, unbiased=False)

    def _photos(self, pairs: list[Pair], views: list[int], seed: int) -> Tensor:
        chosen = list(zip(pairs, views, strict=True))
        batch = FaceBatch(
            torch.from_numpy(np.stack([p.rgb[k] for p, k in chosen])).permute(0, 3, 1, 2),
            torch.from_numpy(np.stack([p.alpha[k] for p, k in chosen]))[:, None],
            torch.from_numpy(np.stack([p.segmentation[k] for p, k in chosen])),
            torch.arange(len(chosen)),
        )
        return photographed(batch, self.how, np.random.default_rng(seed))


@dataclass(frozen=True)
class Portraits:
    """Portraits of real people for training without labels: EG3D crops over white.

    photos: with labels of their pixels, whose background is replaced. how: augmentation."""

    photos: LabelledPhotos
    how: Distortion

    def sample(self, size: int, generator: torch.Generator) -> Float[Tensor, "B 3 m m"]:
        """Sample `size` portraits in [-1, 1], without replacement if there are enough."""
        order = torch.randperm(len(self.photos), generator=generator)
        chosen = order.repeat(-(-size // len(self.photos)))[:size]
        seed = int(torch.randint(1 << 62, (), generator=generator))
        rng = np.random.default_rng(seed)
        return self._crops(chosen, self.how, rng)

    def plain(self, indices: list[int]) -> Float[Tensor, "B 3 m m"]:
        """These portraits as they are."""
        how = Distortion(
            size=self.how.size, mirror=0.0, zoom=(1.0, 1.0), shift=0.0, turn=0.0, light=0.0,
            colour=0.0, grey=0.0, occlude=0.0, blur=0.0, grain=0.0, jpeg=0.0,
        )  # fmt: skip
        return self._crops(torch.tensor(indices), how, np.random.default_rng(0))

    def _crops(
        self, chosen: Int[Tensor, "B"], how: Distortion, rng: np.random.Generator
    ) -> Float[Tensor, "B 3 m m"]:
        known = self.photos
        side = known.images.shape[-1]
        labels = known.labels[chosen]
        behind = (labels == int(Segment.BACKGROUND))[:, None]
        images = torch.where(behind, 255, known.images[chosen])
        theta = torch.stack([frame_transform(frame) for frame in known.frames[chosen]])
        grid = F.affine_grid(theta, [len(chosen), 3, side, side], align_corners=False)
        crops = F.grid_sample(images.float() - 255.0, grid, align_corners=False)
        cropped = (crops + 255.0).round().clamp(0, 255).to(torch.uint8)
        classes = F.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)
        opaque = torch.full_like(cropped[:, :1], 255)
        batch = FaceBatch(cropped, opaque, classes[:, 0].to(torch.uint8), torch.arange(len(chosen)))
        return photographed(batch, how, rng)


def photographed(
    batch: FaceBatch, how: Distortion, rng: np.random.Generator
) -> Float[Tensor, "B 3 m m"]:
    """Augmented photos whose background is as white after the light and colour as before."""
    photos, labels = distorted(batch, how, white(batch.images.shape[-1]), rng)
    behind = (labels == int(Segment.BACKGROUND))[:, None]
    return torch.where(behind, 1.0, photos)


def frame_transform(frame: Float[Tensor, "3"]) -> Float[Tensor, "2 3"]:
    """Affine transform of `grid_sample` that crops a frame: centre x, y and side, in sides."""
    x, y, side = frame.tolist()
    return torch.tensor([[side, 0.0, 2.0 * x - 1.0], [0.0, side, 2.0 * y - 1.0]])


def white(side: int) -> UInt8[Tensor, "1 3 n n"]:
    """The only background of cut-out photos."""
    return torch.full((1, 3, side, side), 255, dtype=torch.uint8)


def as_signed(images: UInt8[np.ndarray, "B n n 3"]) -> Float[Tensor, "B 3 n n"]:
    """Images in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1.0
