"""Avatars whose images are drawn by hand: a disc of the skin's tone under a cap of the hair's,
instead of renders, which take seconds each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from portraiture.people.pairs import Pair, pair_path, sample_avatar, save_pair
from portraiture.types import Segment


def drawn_pair(index: int, size: int) -> Pair:
    """One avatar, its normalised image and a photo alike."""
    y, x = np.mgrid[0:size, 0:size] / (size - 1) * 2 - 1
    parameters = sample_avatar(index, seed=1)
    labels = np.zeros((2, size, size), np.uint8)
    labels[:, x**2 + y**2 < 0.5] = Segment.SKIN
    if parameters.hair_style != "bald":
        labels[:, (x**2 + y**2 < 0.7) & (y < -0.3)] = Segment.HAIR
    rgb = np.full((2, size, size, 3), 255, np.uint8)
    rgb[labels == Segment.SKIN] = int(230 - 180 * parameters.skin_melanin)
    rgb[labels == Segment.HAIR] = int(220 - 200 * parameters.hair_melanin)
    alpha = np.where(labels > 0, 255, 0).astype(np.uint8)
    return Pair(parameters.to_vector().astype(np.float32), rgb, alpha, labels)


def draw_pairs(folder: Path, count: int, size: int) -> Path:
    """A folder of so many."""
    folder.mkdir(exist_ok=True)
    for index in range(count):
        save_pair(drawn_pair(index, size), pair_path(folder, index))
    return folder
