"""Pairs of images and sentences (`people.edit_pairs`) as batches for training.

Letters: B pairs, S side of the images, D length of a sentence's vector.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.data.pair_set import as_signed
from portraiture.errors import DataError, TrainingError
from portraiture.people.edit_pairs import EditPair, edits_in, load_edit, load_sentences

KEPT = 600_000_000
"""Bytes of pairs kept in memory: about 6,000 of 128 pixels."""


class EditBatch(NamedTuple):
    """before, after: in [-1, 1]. sentence: vectors."""

    before: Float[Tensor, "B 3 S S"]
    after: Float[Tensor, "B 3 S S"]
    sentence: Float[Tensor, "B D"]


class EditSet:
    """The pairs of a folder; files are read on demand, and up to `KEPT` bytes stay in memory.
    Raises TrainingError for a folder without any, DataError for damaged files."""

    def __init__(self, folder: Path) -> None:
        self.paths = edits_in(folder)
        if not self.paths:
            raise TrainingError(
                f"{folder} holds no edit_*.npz; make some as docs/restyle_training.md says."
            )
        self.vectors = load_sentences(folder)
        self._kept: dict[int, EditPair] = {}
        self._bytes = 0
        self.side = load_edit(self.paths[0]).before.shape[0]
        self.length = len(next(iter(self.vectors.values())))

    def __len__(self) -> int:
        return len(self.paths)

    def pair(self, index: int) -> EditPair:
        """Read one pair. Raises DataError."""
        known = self._kept.get(index)
        if known is None:
            known = load_edit(self.paths[index])
            if known.before.shape[0] != self.side:
                raise DataError(f"{self.paths[index]} is of another size than the first pair.")
            if not all(sentence in self.vectors for sentence in known.sentences):
                raise DataError(f"{self.paths[index]} has a sentence without a vector.")
            if self._bytes < KEPT:
                self._bytes += 2 * known.before.nbytes
                self._kept[index] = known
        return known

    def sample(self, size: int, generator: torch.Generator, *, mirror: bool = True) -> EditBatch:
        """Sample pairs, without replacement if there are enough, each with one of its sentences.
        mirror: whether half of them are mirrored."""
        order = torch.randperm(len(self), generator=generator)
        chosen = order.repeat(-(-size // len(self)))[:size].tolist()
        numbers = torch.randint(1 << 30, (size, 2), generator=generator).tolist()
        before, after, sentences = [], [], []
        for index, (number, side) in zip(chosen, numbers, strict=True):
            pair = self.pair(index)
            turn = -1 if mirror and side % 2 else 1
            before.append(pair.before[:, ::turn])
            after.append(pair.after[:, ::turn])
            sentences.append(self.vectors[pair.sentences[number % len(pair.sentences)]])
        return EditBatch(
            as_signed(np.stack(before)), as_signed(np.stack(after)),
            torch.from_numpy(np.stack(sentences)),
        )  # fmt: skip
