"""Pairs of images and sentences whose edit is a colour, drawn by hand."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy import ndarray

from portraiture.people.edit_pairs import EditPair

COLOURS = {"red": (255.0, 0.0, 0.0), "blue": (0.0, 0.0, 255.0)}


def render_tint(seed: int, index: int, size: int) -> EditPair:
    """A slope of grey with some colour, half of it mixed with red or blue."""
    rng = np.random.default_rng([seed, index])
    base, tone = rng.uniform(60, 120), rng.uniform(-30, 30, 3)
    slope = np.linspace(0, 80, size)[None, :, None] + np.zeros((size, 1, 3))
    before = np.clip(base + slope + tone, 0, 255)
    name = sorted(COLOURS)[index % 2]
    after = 0.5 * before + 0.5 * np.array(COLOURS[name])
    sentences = (f"make it {name}", f"turn it {name}")
    return EditPair(before.astype(np.uint8), after.astype(np.uint8), sentences, name)


def hashed(sentences: Sequence[str]) -> ndarray:
    """Unit vectors that depend on the words."""
    rows = []
    for sentence in sentences:
        parts = [
            np.random.default_rng(zlib.crc32(word.encode())).standard_normal(16)
            for word in sentence.split()
        ]
        total = np.sum(parts, 0)
        rows.append(total / np.linalg.norm(total))
    return np.array(rows, np.float32)
