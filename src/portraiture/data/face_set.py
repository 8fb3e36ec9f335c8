"""Small synthetic faces with clean labels in memory, for training the supporting networks.

folders (`people.people`, `people.synth_folder`) ─shrink─▶ FaceSet ─sample─▶ FaceBatch
Letters: N people, V views, B sampled faces, n side in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from portraiture.errors import DataError
from portraiture.people.people_file import load_person, people_in
from portraiture.people.synth_folder import complete_people, read_person
from portraiture.types import Segment

PREFERENCE = {
    Segment.LEFT_BROW: 2.2, Segment.RIGHT_BROW: 2.2, Segment.HAIR: 1.3, Segment.LEFT_EYE: 1.3,
    Segment.RIGHT_EYE: 1.3, Segment.GLASSES: 1.3, Segment.MOUTH: 1.5,
}  # fmt: skip
"""Weight of a class when labels are downsampled; brows and hair are rendered strand by strand."""
SCALP_REACH = 4
"""Skin within so many pixels of 128 from hair on opposite sides is scalp."""


class FaceBatch(NamedTuple):
    """alpha: 255 where the image is to stay. labels: of `Segment`. person: rows of the set."""

    images: UInt8[Tensor, "B 3 n n"]
    alpha: UInt8[Tensor, "B 1 n n"]
    labels: UInt8[Tensor, "B n n"]
    person: Int[Tensor, "B"]


@dataclass(frozen=True)
class FaceSet:
    """Faces by person and view. Cut-outs (alpha below 255) lie over white."""

    images: UInt8[ndarray, "N V n n 3"]
    alpha: UInt8[ndarray, "N V n n"]
    labels: UInt8[ndarray, "N V n n"]

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, size: int, generator: torch.Generator) -> FaceBatch:
        """One random view each of `size` people, without repetition if there are enough."""
        order = torch.randperm(len(self), generator=generator)
        person = order.repeat(-(-size // len(self)))[:size]
        view = torch.randint(self.images.shape[1], (size,), generator=generator)
        return self.take(person.numpy(), view.numpy())

    def sample_pairs(self, size: int, generator: torch.Generator) -> FaceBatch:
        """Two different views of each of `size` / 2 people: all first views, then all second
        ones. There must be so many people, and two views."""
        person = torch.randperm(len(self), generator=generator)[: size // 2]
        views = self.images.shape[1]
        first = torch.randint(views, person.shape, generator=generator)
        other = torch.randint(1, views, person.shape, generator=generator)
        view = torch.cat([first, (first + other) % views])
        return self.take(person.repeat(2).numpy(), view.numpy())

    def take(self, person: Int[ndarray, "B"], view: Int[ndarray, "B"]) -> FaceBatch:
        """These views of these people."""
        images = torch.from_numpy(self.images[person, view]).permute(0, 3, 1, 2).contiguous()
        return FaceBatch(
            images,
            torch.from_numpy(self.alpha[person, view])[:, None],
            torch.from_numpy(self.labels[person, view]),
            torch.from_numpy(np.asarray(person, np.int64)),
        )

    def part(self, first: int, last: int | None = None) -> FaceSet:
        """Some of the people."""
        kept = slice(first, last)
        return FaceSet(self.images[kept], self.alpha[kept], self.labels[kept])


def load_faces(folders: Sequence[Path], *, size: int = 128, limit: int | None = None) -> FaceSet:
    """The people of folders that `portraiture synth` or `people.people` wrote, at most `limit` of
    each, all with equally many views (the fewest that a folder has).

    Raises DataError when a folder holds nobody or cannot be read.
    """
    faces: list[tuple[ndarray, ndarray, ndarray]] = []
    for folder in folders:
        before = len(faces)
        faces += _people(folder, size, limit) if _is_npz(folder) else _synth(folder, size, limit)
        if len(faces) == before:
            raise DataError(f"{folder} holds no synthetic people; make some: portraiture synth.")
    if not faces:
        raise DataError("No folder of synthetic people was given.")
    views = min(len(images) for images, _, _ in faces)
    return FaceSet(*(np.stack([one[k][:views] for one in faces]) for k in range(3)))


def _is_npz(folder: Path) -> bool:
    """Raises DataError on a folder of both kinds."""
    if people_in(folder) and complete_people(folder):
        raise DataError(f"{folder} holds people of two kinds; keep one of them.")
    return bool(people_in(folder))


def _people(
    folder: Path, size: int, limit: int | None
) -> Iterator[tuple[ndarray, ndarray, ndarray]]:
    def read(path: Path) -> tuple[ndarray, ndarray, ndarray]:
        person = load_person(path)
        labels = shrunk_labels(person.segmentation, size, scalp=True)
        return shrunk(person.rgb, size), shrunk(person.alpha, size), labels

    with ThreadPoolExecutor() as pool:
        yield from pool.map(read, people_in(folder)[:limit])


def _synth(
    folder: Path, size: int, limit: int | None
) -> Iterator[tuple[ndarray, ndarray, ndarray]]:
    for path in complete_people(folder)[:limit]:
        person = read_person(folder, int(path.stem))
        images = shrunk(person.images, size)
        alpha = np.full(images.shape[:3], 255, np.uint8)
        yield images, alpha, shrunk_labels(person.segmentation, size)


def shrunk(images: UInt8[ndarray, "V n n *c"], size: int) -> UInt8[ndarray, "V m m *c"]:
    """Downsample images to `size` pixels by area averaging."""
    side = (size, size)
    if images.shape[1] == size:
        return images
    return np.stack(
        [np.asarray(Image.fromarray(p).resize(side, Image.Resampling.BOX)) for p in images]
    )


def shrunk_labels(
    labels: UInt8[ndarray, "V n n"], size: int, *, scalp: bool = False
) -> UInt8[ndarray, "V m m"]:
    """Downsample labels in an annotator's style: majority class around each pixel, brows and hair
    filled. scalp: skin between hairs becomes hair."""
    tensor = torch.from_numpy(labels)
    clean = torch.zeros(len(labels), size, size, dtype=torch.uint8)
    most = torch.zeros(len(labels), size, size)
    for segment in np.unique(labels):
        share = F.interpolate((tensor == int(segment))[:, None].float(), (size, size), mode="area")
        share = share[:, 0] + 2.0 * F.avg_pool2d(share, 3, 1, 1, count_include_pad=False)[:, 0]
        score = PREFERENCE.get(Segment(segment), 1.0) * share
        clean[score > most] = int(segment)
        most = torch.maximum(most, score)
    if scalp:
        hair = (clean == Segment.HAIR)[:, None].float()
        reach = max(1, round(SCALP_REACH * size / 128))
        closed = -_widened(-_widened(hair, reach), reach)
        clean[(closed[:, 0] > 0) & (clean == Segment.SKIN)] = Segment.HAIR
    return clean.numpy()


def _widened(mask: Tensor, reach: int) -> Tensor:
    return F.max_pool2d(mask, 2 * reach + 1, 1, reach)
